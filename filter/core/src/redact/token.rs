//! A token in the place of a secret: whoever has both can see that they belong together, and
//! whoever has the token alone cannot find the secret by trying, for want of the key.

use crate::id::write_hex;
use hmac_sha256::HMAC;
use std::fmt;

/// The key of all tokens: services that have the same one make the same tokens.
///
/// Spec: <https://www.rfc-editor.org/rfc/rfc2104>
#[derive(Clone)]
pub struct Key(Box<[u8]>);

/// How much of the hash a token shows: enough to tell a few million values apart.
const BYTES: usize = 8;

impl Key {
    /// A key of any length; 32 random bytes are a good one.
    pub fn new(key: &[u8]) -> Self {
        Self(key.into())
    }

    /// Appends the token of a value.
    #[inline(never)]
    pub fn write_token(&self, value: &[u8], out: &mut Vec<u8>) {
        let hash = HMAC::mac(value, &self.0);
        write_hex(hash.first_chunk::<BYTES>().unwrap_or(&[0; BYTES]), out);
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

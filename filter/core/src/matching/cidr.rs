//! Ranges of addresses.
//!
//! ```text
//! cidr          = IPv4address "/" prefix-length ; 0 to 32
//!               / IPv6address "/" prefix-length ; 0 to 128
//! prefix-length = "0" / ( %x31-39 *2DIGIT )
//! ```
//! Spec: <https://www.rfc-editor.org/rfc/rfc4632#section-3.1>,
//! <https://www.rfc-editor.org/rfc/rfc4291#section-2.3>

use core::net::IpAddr;
use std::fmt;
use std::str::FromStr;

/// All addresses that begin alike.
///
/// An IPv4 address that is written as IPv6 (`::ffff:10.0.0.7`) is an IPv4 address, in a range
/// and out of it: `::/0` has none of them.
///
/// ```
/// use hopspan_core::matching::cidr::Cidr;
///
/// let private: Cidr = "10.0.0.0/8".parse().unwrap();
/// assert!(private.contains("10.1.2.3".parse().unwrap()));
/// assert!(private.contains("::ffff:10.1.2.3".parse().unwrap()));
/// assert!("10.0.0.7/8".parse::<Cidr>().is_err());
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Cidr {
    network: IpAddr,
    length: u8,
}

/// The part of a range that broke the grammar.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CidrError {
    /// Neither an IPv4 nor an IPv6 address.
    Address,
    /// An address alone; this range has no other.
    NoLength(Cidr),
    /// Not a plain number, or longer than this, which an address has.
    Length(u8),
    /// The address has more than the prefix; this is the range around it.
    HostBits(Cidr),
}

// === impl Cidr ===

impl Cidr {
    /// Whether an address is one of the range.
    pub fn contains(&self, address: IpAddr) -> bool {
        let alike = match (self.network, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(it)) => (own.to_bits() ^ it.to_bits()).leading_zeros(),
            (IpAddr::V6(own), IpAddr::V6(it)) => (own.to_bits() ^ it.to_bits()).leading_zeros(),
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => return false,
        };
        alike >= self.length.into()
    }

    /// The range of so many first bits of an address.
    fn around(address: IpAddr, length: u8) -> Self {
        let shift = u32::from(length);
        let network = match address {
            IpAddr::V4(it) => {
                let rest = u32::MAX.checked_shr(shift).unwrap_or_default();
                IpAddr::V4((it.to_bits() & !rest).into())
            }
            IpAddr::V6(it) => {
                let rest = u128::MAX.checked_shr(shift).unwrap_or_default();
                IpAddr::V6((it.to_bits() & !rest).into())
            }
        };
        Self { network, length }
    }

    /// The same range, of IPv4 if it has but such addresses.
    fn canonical(self) -> Self {
        match (self.network.to_canonical(), self.length.checked_sub(96)) {
            (network, Some(length)) if network != self.network => Self { network, length },
            _ => self,
        }
    }
}

impl FromStr for Cidr {
    type Err = CidrError;

    /// Reads a range, whose address must have no bits behind its prefix: who writes
    /// `10.0.0.7/8` may mean one address or sixteen million.
    fn from_str(text: &str) -> Result<Self, CidrError> {
        use CidrError as E;

        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| E::Address)?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let length = length.ok_or(E::NoLength(Self { network: address, length: longest }))?;
        let plain = length == "0" || !length.starts_with(['0', '+']);
        let length = length.parse().ok().filter(|it| plain && *it <= longest);
        let length = length.ok_or(E::Length(longest))?;
        let range = Self::around(address, length);
        if range.network != address {
            return Err(E::HostBits(range));
        }
        Ok(range.canonical())
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { network, length } = self;
        write!(f, "{network}/{length}")
    }
}

// === impl CidrError ===

impl fmt::Display for CidrError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address => f.write_str("the address is neither an IPv4 nor an IPv6 address"),
            Self::NoLength(it) => {
                write!(f, "the prefix length is missing; this address alone is {it}")
            }
            Self::Length(longest) => {
                write!(f, "the prefix length is not a number from 0 to {longest}")
            }
            Self::HostBits(it) => {
                write!(f, "the address has bits behind the prefix; the range around it is {it}")
            }
        }
    }
}

impl std::error::Error for CidrError {}

#[cfg(test)]
mod tests {
    use super::*;
    use core::net::{Ipv4Addr, Ipv6Addr};
    use proptest::prelude::*;

    /// What a range is once read, or what is wrong with it.
    fn read(text: &str) -> String {
        text.parse::<Cidr>().map_or_else(|error| error.to_string(), |it| it.to_string())
    }

    #[test]
    fn reads_only_what_the_grammar_allows() {
        let address = "the address is neither an IPv4 nor an IPv6 address";
        let of_32 = "the prefix length is not a number from 0 to 32";
        let of_128 = "the prefix length is not a number from 0 to 128";
        for (why, text, want) in [
            ("a network", "10.0.0.0/8", "10.0.0.0/8"),
            ("one address", "10.0.0.7/32", "10.0.0.7/32"),
            ("all of IPv4", "0.0.0.0/0", "0.0.0.0/0"),
            ("an odd length", "10.128.0.0/9", "10.128.0.0/9"),
            ("IPv6", "fd00::/8", "fd00::/8"),
            ("IPv6 in full", "2001:0db8:0:0:0:0:0:0/32", "2001:db8::/32"),
            ("all of IPv6", "::/0", "::/0"),
            ("one address of IPv6", "::1/128", "::1/128"),
            ("IPv4 as IPv6", "::ffff:10.0.0.0/104", "10.0.0.0/8"),
            ("all IPv4 as IPv6", "::ffff:0:0/96", "0.0.0.0/0"),
            (
                "no length",
                "10.0.0.7",
                "the prefix length is missing; this address alone is 10.0.0.7/32",
            ),
            (
                "no length, IPv6",
                "::1",
                "the prefix length is missing; this address alone is ::1/128",
            ),
            (
                "bits behind the prefix",
                "10.0.0.7/8",
                "the address has bits behind the prefix; the range around it is 10.0.0.0/8",
            ),
            (
                "a bit just behind it",
                "10.128.0.0/8",
                "the address has bits behind the prefix; the range around it is 10.0.0.0/8",
            ),
            (
                "bits behind no prefix",
                "::1/0",
                "the address has bits behind the prefix; the range around it is ::/0",
            ),
            ("longer than an address", "10.0.0.0/33", of_32),
            ("longer than an address of IPv6", "::/129", of_128),
            ("longer than a byte", "::/256", of_128),
            ("an empty length", "10.0.0.0/", of_32),
            ("a sign", "10.0.0.0/+8", of_32),
            ("a zero in front", "10.0.0.0/08", of_32),
            ("two zeros", "0.0.0.0/00", of_32),
            ("a mask", "10.0.0.0/255.0.0.0", of_32),
            ("two lengths", "10.0.0.0/8/8", of_32),
            ("a space", "10.0.0.0/8 ", of_32),
            ("a name", "localhost/8", address),
            ("a name without length", "localhost", address),
            ("nothing", "", address),
            ("three numbers", "10.0.0/8", address),
            ("a number out of range", "256.0.0.0/8", address),
            ("octal", "010.0.0.0/8", address),
            ("brackets", "[::1]/128", address),
            ("a port", "10.0.0.7:80/32", address),
            ("a zone", "fe80::1%1/128", address),
        ] {
            assert_eq!(read(text), want, "{why}: {text:?}");
        }
    }

    #[test]
    fn a_range_has_the_addresses_that_begin_alike() {
        for (why, range, address, want) in [
            ("the first", "10.0.0.0/8", "10.0.0.0", true),
            ("the last", "10.0.0.0/8", "10.255.255.255", true),
            ("before it", "10.0.0.0/8", "9.255.255.255", false),
            ("behind it", "10.0.0.0/8", "11.0.0.0", false),
            ("itself", "10.0.0.7/32", "10.0.0.7", true),
            ("its neighbour", "10.0.0.7/32", "10.0.0.6", false),
            ("any", "0.0.0.0/0", "255.1.2.3", true),
            ("no IPv6 in all of IPv4", "0.0.0.0/0", "::1", false),
            ("no IPv4 in all of IPv6", "::/0", "10.0.0.7", false),
            ("IPv6", "fd00::/8", "fdff::1", true),
            ("another of IPv6", "fd00::/8", "fe00::1", false),
            ("IPv4 as IPv6", "10.0.0.0/8", "::ffff:10.1.2.3", true),
            ("another IPv4 as IPv6", "10.0.0.0/8", "::ffff:11.1.2.3", false),
            ("a range of IPv4 as IPv6", "::ffff:10.0.0.0/104", "10.1.2.3", true),
            ("IPv4 as IPv6 is not IPv6", "::/0", "::ffff:10.1.2.3", false),
        ] {
            let range: Cidr = range.parse().unwrap();
            assert_eq!(range.contains(address.parse().unwrap()), want, "{why}");
        }
    }

    /// Whether the first bits of two addresses are the same, one after the other.
    fn alike(own: &[u8], it: &[u8], length: usize) -> bool {
        let bit = |bytes: &[u8], at: usize| bytes[at / 8] >> (7 - at % 8) & 1;
        (0..length).all(|at| bit(own, at) == bit(it, at))
    }

    /// Whether the grammar allows a text, by the standard library's addresses.
    fn naive(text: &str) -> bool {
        let Some((address, length)) = text.split_once('/') else { return false };
        let Ok(address) = address.parse::<IpAddr>() else { return false };
        let bytes = match address {
            IpAddr::V4(it) => it.octets().to_vec(),
            IpAddr::V6(it) => it.octets().to_vec(),
        };
        let longest = bytes.len() * 8;
        let Some(length) = (0..=longest).find(|it| it.to_string() == length) else { return false };
        (length..longest).all(|at| bytes[at / 8] >> (7 - at % 8) & 1 == 0)
    }

    proptest! {
        #[test]
        fn agrees_with_a_look_at_each_bit(own: u32, other: u32, length in 0_u8..=32) {
            let network = own & u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0);
            let range = format!("{}/{length}", Ipv4Addr::from(network)).parse::<Cidr>().unwrap();
            prop_assert_eq!(range.to_string().parse(), Ok(range));
            // Half of the others share some beginning.
            for it in [other, own ^ other.checked_shr(u32::from(length)).unwrap_or(0), own] {
                let want = alike(&own.to_be_bytes(), &it.to_be_bytes(), length.into());
                prop_assert_eq!(range.contains(IpAddr::V4(it.into())), want);
                prop_assert_eq!(range.contains(IpAddr::V6(Ipv4Addr::from(it).to_ipv6_mapped())), want);
            }
        }

        #[test]
        fn agrees_with_a_look_at_each_bit_of_ipv6(own: u128, other: u128, length in 0_u8..=128) {
            let network = own & u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0);
            let range = format!("{}/{length}", Ipv6Addr::from(network)).parse::<Cidr>().unwrap();
            prop_assert_eq!(range.to_string().parse(), Ok(range));
            for it in [other, own ^ other.checked_shr(u32::from(length)).unwrap_or(0), own] {
                let want = alike(&own.to_be_bytes(), &it.to_be_bytes(), length.into());
                prop_assert_eq!(range.contains(IpAddr::V6(it.into())), want);
            }
        }

        #[test]
        fn agrees_with_a_naive_reader(
            address in "(10|0|1|128)\\.(0|1|128)\\.(0|64)\\.0{1,2}|(fd|[0-8])?00::[018]?|[0-9a-f:.]{0,9}",
            length in "/(0|8|9|32|33|128|129)|/[1-9]?[0-9]|/1[0-3][0-9]|/?[0-9+]{0,3}",
        ) {
            let text = format!("{address}{length}");
            prop_assert_eq!(text.parse::<Cidr>().is_ok(), naive(&text), "{}", text);
        }
    }
}

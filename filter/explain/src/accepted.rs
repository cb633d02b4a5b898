//! What the parts of a question may be. Each says in a sentence what it wants instead.

use crate::header::is_tchar;
use std::net::{IpAddr, SocketAddr};

/// The reason why a text is not what it should be.
pub type Refused = &'static str;

/// A method, such as `GET`.
///
/// # Errors
///
/// It is no token of HTTP.
pub fn method(text: &str) -> Result<String, Refused> {
    let is_token = !text.is_empty() && text.bytes().all(is_tchar);
    is_token.then(|| text.to_owned()).ok_or("a method is a word like GET")
}

/// A host, with a port or without.
///
/// # Errors
///
/// It has a character that no host has.
pub fn host(text: &str) -> Result<String, Refused> {
    let is_host = !text.is_empty() && text.bytes().all(|it| it.is_ascii_graphic() && it != b'/');
    is_host.then(|| text.to_owned()).ok_or("a host is a name or an address, like shop.example:8080")
}

/// A path with its query, or `*`.
///
/// # Errors
///
/// It does not begin with a slash, or has spaces.
pub fn path(text: &str) -> Result<String, Refused> {
    let is_path =
        text == "*" || text.starts_with('/') && text.bytes().all(|it| it > b' ' && it != 0x7f);
    is_path
        .then(|| text.to_owned())
        .ok_or("a path begins with / and has no spaces, like /cart?id=7")
}

/// An address, with a port or without.
///
/// # Errors
///
/// It is neither of IPv4 nor of IPv6.
pub fn source(text: &str) -> Result<String, Refused> {
    let is_address = text.parse::<IpAddr>().is_ok() || text.parse::<SocketAddr>().is_ok();
    let is_address = is_address.then(|| text.to_owned());
    is_address.ok_or("an address is IPv4 or IPv6, like 10.0.0.7, fd00::7 or 10.0.0.7:5555")
}

/// A variable of an environment: its name and its value.
///
/// # Errors
///
/// It has no name.
pub fn variable(text: &str) -> Result<(String, String), Refused> {
    let parts = text.split_once('=').filter(|(name, _)| !name.is_empty());
    let parts = parts.map(|(name, value)| (name.to_owned(), value.to_owned()));
    parts.ok_or("a variable is NAME=VALUE")
}

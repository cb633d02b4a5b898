//! What a person typed into the page.

use hopspan_core::request::Direction;
use hopspan_explain::accepted::{self, Refused};
use hopspan_explain::{Header, Question};
use serde::Deserialize;

/// The fields of the form, as texts. An empty one says nothing.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Pasted {
    /// Draws ids and dice: equal ones make equal answers.
    pub seed: Vec<u64>,
    /// hopspan's configuration.
    pub config: String,
    /// A request line, if any, and headers, one a line; pseudo-headers of HTTP/2 are understood.
    pub request: String,
    /// `inbound`, `outbound` or `gateway`.
    pub direction: String,
    /// The client's address.
    pub source: String,
    /// Who the client is by its certificate.
    pub peer: String,
    /// The listener's filter chain.
    pub filter_chain: String,
    /// The route's name.
    pub route: String,
    /// The cluster's name.
    pub cluster: String,
    /// `true` or `false`.
    pub route_disabled: String,
    /// A number.
    pub route_sampling_ratio: String,
    /// `NAME=VALUE`, one a line.
    pub environment: String,
    /// The node's id.
    pub node_id: String,
    /// The node's cluster.
    pub node_cluster: String,
}

/// A field that cannot be what it is.
#[derive(Debug, Eq, PartialEq)]
pub struct Wrong {
    /// Its name in the form.
    pub field: &'static str,
    /// What it should be.
    pub message: String,
}

// === impl Pasted ===

impl Pasted {
    /// What is asked by it.
    ///
    /// # Errors
    ///
    /// The first field that makes no sense.
    pub fn question(&self) -> Result<Question, Wrong> {
        let mut question = Question {
            direction: read("direction", &self.direction, direction)?,
            source: read("source", &self.source, accepted::source)?,
            peer: given(&self.peer),
            filter_chain: given(&self.filter_chain),
            route: given(&self.route),
            cluster: given(&self.cluster),
            route_disabled: read("route_disabled", &self.route_disabled, |it| {
                it.parse().map_err(|_| "it is true or false")
            })?,
            route_sampling_ratio: read("route_sampling_ratio", &self.route_sampling_ratio, |it| {
                it.parse().map_err(|_| "a ratio is a number, like 0.1")
            })?,
            node_id: self.node_id.trim().to_owned(),
            node_cluster: self.node_cluster.trim().to_owned(),
            ..Question::default()
        };
        for (number, line) in lines(&self.environment) {
            let wrong = |message| Wrong::of_line("environment", number, message);
            question.environment.push(accepted::variable(line).map_err(wrong)?);
        }
        for (index, (number, line)) in lines(&self.request).enumerate() {
            let wrong = |message: String| Wrong::of_line("request", number, &message);
            match request_line(line).filter(|_| index == 0) {
                Some((method, path)) => {
                    let wrong = |message: Refused| wrong(message.to_owned());
                    question.method = Some(method);
                    question.path = Some(accepted::path(path).map_err(wrong)?);
                }
                None => header(line, &mut question).map_err(wrong)?,
            }
        }
        Ok(question)
    }
}

/// `GET /cart?id=7`, with a version of HTTP behind it or without.
fn request_line(line: &str) -> Option<(String, &str)> {
    let mut words = line.split_ascii_whitespace();
    let method = accepted::method(words.next()?).ok()?;
    let path = words.next().filter(|it| it.starts_with('/') || *it == "*")?;
    let is_version = |it: &str| it.starts_with("HTTP/");
    (words.next().is_none_or(is_version) && words.next().is_none()).then_some((method, path))
}

/// Adds a header, or the part of a request that a pseudo-header is.
fn header(line: &str, question: &mut Question) -> Result<(), String> {
    let pseudo = line.strip_prefix(':').and_then(|it| it.split_once(':'));
    if let Some((name, value)) = pseudo {
        let value = value.trim();
        match name.trim() {
            "method" => question.method = Some(accepted::method(value)?),
            "authority" => question.host = Some(accepted::host(value)?),
            "path" => question.path = Some(accepted::path(value)?),
            // Nothing depends on it.
            "scheme" => {}
            name => return Err(format!(":{name} is no pseudo-header of a request")),
        }
        return Ok(());
    }
    // What a browser or a log shows of an empty value; curl has another way to write one.
    let empty = line.strip_suffix(':').map(|name| format!("{name};"));
    let header: Header = empty.as_deref().unwrap_or(line).parse().map_err(|it| format!("{it}"))?;
    question.headers.push(header);
    Ok(())
}

fn direction(text: &str) -> Result<Direction, Refused> {
    match text {
        "inbound" => Ok(Direction::Inbound),
        "outbound" => Ok(Direction::Outbound),
        "gateway" => Ok(Direction::Gateway),
        _ => Err("a direction is inbound, outbound or gateway"),
    }
}

/// A field's value, unless it is empty.
fn read<T>(
    field: &'static str,
    text: &str,
    accept: impl Fn(&str) -> Result<T, Refused>,
) -> Result<Option<T>, Wrong> {
    let wrong = |message: Refused| Wrong { field, message: message.to_owned() };
    given(text).map(|it| accept(&it).map_err(wrong)).transpose()
}

fn given(text: &str) -> Option<String> {
    Some(text.trim().to_owned()).filter(|it| !it.is_empty())
}

/// Lines that say something, with their numbers from one on.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .map(str::trim)
        .zip(1..)
        .map(|(line, number)| (number, line))
        .filter(|it| !it.1.is_empty())
}

// === impl Wrong ===

impl Wrong {
    fn of_line(field: &'static str, number: usize, message: &str) -> Self {
        Self { field, message: format!("line {number}: {message}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The method, the host, the path, and other headers.
    fn read(request: &str) -> Result<String, String> {
        let pasted = Pasted { request: request.to_owned(), ..Pasted::default() };
        let Question { method, host, path, headers, .. } =
            pasted.question().map_err(|it| format!("{}: {}", it.field, it.message))?;
        let parts = [method, host, path].map(Option::unwrap_or_default);
        let headers = headers.iter().map(|it| format!(" {}={}", it.name, it.value));
        Ok(parts.join(" ") + &headers.collect::<String>())
    }

    #[test]
    fn a_request_is_read_as_people_have_it() {
        for (why, text, want) in [
            ("nothing", " \n", Ok("  ")),
            ("headers", "B3: 1\n\n x: a b ", Ok("   b3=1 x=a b")),
            (
                "a request line",
                "POST /cart?id=7 HTTP/1.1\nHost: a.example",
                Ok("POST  /cart?id=7 host=a.example"),
            ),
            ("without a version", "GET /", Ok("GET  /")),
            (
                "as HTTP/2 has it",
                ":method: PUT\n:scheme: https\n:authority: a:80\n:path: /x\nb3: 1",
                Ok("PUT a:80 /x b3=1"),
            ),
            ("an empty value", "x-empty:\ny-empty: ", Ok("   x-empty= y-empty=")),
            (
                "not on the first line",
                "b3: 1\nGET /",
                Err("request: line 2: it has no colon between name and value"),
            ),
            (
                "three words too many",
                "GET / HTTP/1.1 x",
                Err("request: line 1: it has no colon between name and value"),
            ),
            (
                "no path",
                ":path: x",
                Err("request: line 1: a path begins with / and has no spaces, like /cart?id=7"),
            ),
            (
                "an answer",
                ":status: 200",
                Err("request: line 1: :status is no pseudo-header of a request"),
            ),
        ] {
            let want = want.map(str::to_owned).map_err(str::to_owned);
            assert_eq!(read(text), want, "{why}: {text:?}");
        }
    }

    #[test]
    fn a_field_that_makes_no_sense_is_named() {
        let of = |set: fn(&mut Pasted)| {
            let mut pasted = Pasted::default();
            set(&mut pasted);
            pasted.question().map(|_| ()).map_err(|it| (it.field, it.message))
        };
        for (got, field, message) in [
            (
                of(|it| it.direction = "up".into()),
                "direction",
                "a direction is inbound, outbound or gateway",
            ),
            (
                of(|it| it.source = "localhost".into()),
                "source",
                "an address is IPv4 or IPv6, like 10.0.0.7, fd00::7 or 10.0.0.7:5555",
            ),
            (of(|it| it.route_disabled = "1".into()), "route_disabled", "it is true or false"),
            (
                of(|it| it.route_sampling_ratio = "x".into()),
                "route_sampling_ratio",
                "a ratio is a number, like 0.1",
            ),
            (
                of(|it| it.environment = "A=1\n=2".into()),
                "environment",
                "line 2: a variable is NAME=VALUE",
            ),
        ] {
            assert_eq!(got, Err((field, message.to_owned())));
        }
        assert_eq!(of(|it| it.source = " 10.0.0.7 ".into()), Ok(()));
    }
}

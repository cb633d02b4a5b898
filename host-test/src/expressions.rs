//! Expressions over properties: Envoy's foreign functions `expr_create`, `expr_evaluate` and
//! `expr_delete`.
//!
//! Of the language there is what a list of properties takes. Anything else is a syntax error,
//! although Envoy may know it.
//!
//! ```text
//! expr = path | "has(" path ")" | "[" [ expr *( "," expr ) ] "]" | string | integer
//!      | expr "?" expr ":" expr
//! path = name *( "." name )
//! ```
//! Sources: <https://github.com/google/cel-spec/blob/master/doc/langdef.md>,
//! <https://github.com/envoyproxy/envoy/blob/main/source/extensions/common/wasm/foreign.cc>;
//! measured in Envoy 1.36 and 1.40.

use crate::abi::Status;
use crate::guest::{Context, Guest};
use crate::properties;
use crate::value::Value;
use std::collections::BTreeMap;

/// The expressions of one root context: others cannot see them, and they end with it.
#[derive(Debug, Default)]
pub(crate) struct Expressions {
    next_token: u32,
    by_token: BTreeMap<u32, Expr>,
}

#[derive(Clone, Debug)]
enum Expr {
    Path(Vec<String>),
    Has(Vec<String>),
    List(Vec<Self>),
    Literal(Value),
    Choice(Box<[Self; 3]>),
}

/// What an expression comes to.
enum Outcome {
    One(Value),
    List(Vec<Self>),
}

/// The roots of all paths of a stream.
const ROOTS: [&str; 10] = [
    "request",
    "response",
    "source",
    "destination",
    "connection",
    "upstream",
    "xds",
    "metadata",
    "filter_state",
    "upstream_filter_state",
];

/// Whether this is one of the three functions, which then answers.
pub(crate) fn call(
    guest: &mut Guest,
    name: &str,
    argument: &[u8],
) -> Option<Result<Vec<u8>, Status>> {
    Some(match name {
        "expr_create" => own(guest)?.create(argument),
        "expr_evaluate" => evaluate(guest, argument),
        "expr_delete" => token(argument).map(|token| {
            own(guest).and_then(|it| it.by_token.remove(&token));
            Vec::new()
        }),
        _ => return None,
    })
}

fn evaluate(guest: &mut Guest, argument: &[u8]) -> Result<Vec<u8>, Status> {
    let token = token(argument)?;
    let expr = own(guest).and_then(|it| it.by_token.get(&token).cloned());
    let outcome = expr.ok_or(Status::NOT_FOUND)?.evaluate(guest);
    outcome.ok_or(Status::INTERNAL_FAILURE)?.wire().ok_or(Status::SERIALIZATION_FAILURE)
}

/// The expressions of the root context that acts, or whose stream does.
fn own(guest: &mut Guest) -> Option<&mut Expressions> {
    let id = guest.root_id();
    guest.root(id).map(|it| &mut it.expressions)
}

fn token(argument: &[u8]) -> Result<u32, Status> {
    argument.try_into().map(u32::from_le_bytes).map_err(|_| Status::BAD_ARGUMENT)
}

impl Expressions {
    fn create(&mut self, text: &[u8]) -> Result<Vec<u8>, Status> {
        let mut rest = std::str::from_utf8(text).map_err(|_| Status::BAD_ARGUMENT)?;
        let expr = Expr::parse(&mut rest).filter(|_| rest.trim().is_empty());
        let token = self.next_token;
        self.by_token.insert(token, expr.ok_or(Status::BAD_ARGUMENT)?);
        self.next_token += 1;
        Ok(token.to_le_bytes().to_vec())
    }
}

impl Expr {
    fn parse(rest: &mut &str) -> Option<Self> {
        let first = Self::parse_one(rest)?;
        if !skip(rest, "?") {
            return Some(first);
        }
        let yes = Self::parse(rest)?;
        let no = skip(rest, ":").then(|| Self::parse(rest))??;
        Some(Self::Choice(Box::new([first, yes, no])))
    }

    fn parse_one(rest: &mut &str) -> Option<Self> {
        if skip(rest, "[") {
            let mut items = Vec::new();
            if skip(rest, "]") {
                return Some(Self::List(items));
            }
            loop {
                items.push(Self::parse(rest)?);
                if skip(rest, "]") {
                    return Some(Self::List(items));
                }
                skip(rest, ",").then_some(())?;
            }
        }
        if skip(rest, "'") {
            let (text, after) = rest.split_once('\'').filter(|(it, _)| !it.contains('\\'))?;
            *rest = after;
            return Some(Self::Literal(text.into()));
        }
        let is_in_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
        let (word, after) = rest.split_at(rest.find(|c| !is_in_word(c)).unwrap_or(rest.len()));
        *rest = after;
        if word == "has" {
            let path = skip(rest, "(").then(|| Self::parse_one(rest))??;
            let Self::Path(path) = path else { return None };
            // `has()` is about a field of something.
            return (skip(rest, ")") && path.len() > 1).then_some(Self::Has(path));
        }
        if let Ok(number) = word.parse::<i64>() {
            return Some(Self::Literal(number.into()));
        }
        let is_name = |it: &str| it.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        let path: Vec<_> = word.split('.').map(String::from).collect();
        path.iter().all(|it| is_name(it)).then_some(Self::Path(path))
    }

    /// `None` is an error, which every expression around it becomes, too.
    fn evaluate(&self, guest: &Guest) -> Option<Outcome> {
        Some(match self {
            Self::Literal(value) => Outcome::One(value.clone()),
            Self::Path(path) => Outcome::One(look_up(path, guest)??),
            Self::Has(path) => Outcome::One(look_up(path, guest)?.is_some().into()),
            Self::List(items) => {
                let items: Option<_> = items.iter().map(|it| it.evaluate(guest)).collect();
                Outcome::List(items?)
            }
            Self::Choice(choice) => {
                let [condition, yes, no] = &**choice;
                match condition.evaluate(guest)? {
                    Outcome::One(Value::Bool(true)) => yes.evaluate(guest)?,
                    Outcome::One(Value::Bool(false)) => no.evaluate(guest)?,
                    _ => return None,
                }
            }
        })
    }
}

/// What is there, if the root of the path exists at all.
fn look_up(path: &[String], guest: &Guest) -> Option<Option<Value>> {
    let is_stream = matches!(guest.contexts.get(&guest.acting()), Some(Context::Stream { .. }));
    let root = path.first()?;
    (is_stream && ROOTS.contains(&root.as_str()))
        .then(|| properties::read(guest, path.join("\0").as_bytes()))
}

impl Outcome {
    /// A value as a property has it; a list as a map from its items to nothing.
    fn wire(&self) -> Option<Vec<u8>> {
        let items = match self {
            Self::One(value) => return value.wire(),
            Self::List(items) => items.iter().map(Self::wire).collect::<Option<Vec<_>>>()?,
        };
        let length = |it: usize| u32::try_from(it).unwrap_or(u32::MAX).to_le_bytes();
        let mut bytes = length(items.len()).to_vec();
        bytes.extend(items.iter().flat_map(|it| [length(it.len()), length(0)].concat()));
        bytes.extend(items.iter().flat_map(|it| [it, b"\0\0".as_slice()].concat()));
        Some(bytes)
    }
}

/// Whether the next token is this one, which is then passed.
fn skip(rest: &mut &str, token: &str) -> bool {
    let after = rest.trim_start().strip_prefix(token);
    *rest = after.map_or(*rest, str::trim_start);
    after.is_some()
}

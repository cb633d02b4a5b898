//! What can happen to a request: each has a row of its name in the documentation.

mod callers;
mod proxy;
mod upstreams;

use hyper::Request;
use serde_json::{Value, json};

use super::caller::{Caller, Step};
use super::rough::{Play, Then};
use crate::bootstrap::UPSTREAM;
use crate::client::Body;

/// One thing that happens, by default a request that is answered well.
#[derive(Clone, Debug)]
pub(super) struct Case {
    /// The row in the documentation. It is the path, too.
    pub(super) name: &'static str,
    /// What the proxy does with it, as a route has it.
    action: Option<Value>,
    /// What the upstream does, if the request comes so far.
    pub(super) upstream: Play,
    /// What the caller does.
    pub(super) caller: Caller,
    /// And if it comes again.
    pub(super) again: Play,
    /// Row of the second pass, where the proxy follows a redirect.
    pub(super) then: Option<&'static str>,
}

/// All of them.
pub(super) fn all() -> Vec<Case> {
    [upstreams::all(), proxy::all(), callers::all()].concat()
}

/// An answer that is as it should be.
pub(super) const OK: Play =
    plays(&["HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 5\r\n\r\nhello"], Then::Waits);
/// No answer at all.
const SILENT: Play = plays(&[], Then::Waits);
/// The first half of an answer.
const HALF: &str = "HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\nfirst half";

const fn plays(says: &'static [&'static str], then: Then) -> Play {
    Play { says, then }
}

fn case(name: &'static str) -> Case {
    let action = json!({ "route": { "cluster": UPSTREAM, "timeout": "10s" } });
    let caller = Caller::Asks(crate::client::get);
    Case { name, action: Some(action), upstream: OK, again: OK, caller, then: None }
}

impl Case {
    /// The rows that it has in the documentation.
    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> {
        [Some(self.name), self.then].into_iter().flatten()
    }

    /// The proxy's routes for it.
    pub(super) fn routes(&self) -> Vec<Value> {
        let route = |name: &str, mut route: Value| {
            // What is more than an action says so itself.
            if route.get("match").is_none() {
                route["match"] = json!({ "path": format!("/{name}") });
            }
            route["name"] = json!(format!("route-of-{name}"));
            route
        };
        let first = self.action.clone().map(|it| route(self.name, it));
        let then = self.then.map(|it| route(it, json!({ "route": { "cluster": UPSTREAM } })));
        first.into_iter().chain(then).collect()
    }

    fn upstream(self, says: &'static [&'static str], then: Then) -> Self {
        self.plays(plays(says, then))
    }

    fn silent(self) -> Self {
        self.plays(SILENT)
    }

    fn plays(self, play: Play) -> Self {
        Self { upstream: play, again: play, ..self }
    }

    /// Whose route is this, whatever it does.
    fn action(self, action: Value) -> Self {
        Self { action: Some(action), ..self }
    }

    /// Whose route goes to a cluster.
    fn to(self, cluster: &str) -> Self {
        self.action(json!({ "route": { "cluster": cluster } }))
    }

    fn unrouted(self) -> Self {
        Self { action: None, ..self }
    }

    fn asks(self, request: fn(&str) -> Request<Body>) -> Self {
        Self { caller: Caller::Asks(request), ..self }
    }

    fn caller(self, caller: Caller) -> Self {
        Self { caller, ..self }
    }

    fn script(self, steps: impl Into<Vec<Step>>) -> Self {
        self.caller(Caller::Script(steps.into()))
    }
}

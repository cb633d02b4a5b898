//! The hostcall that makes a callout: admission, and answers that come at once.

use crate::abi::Status;
use crate::callouts::{CallRecord, End, Request};
use crate::clock::nanos;
use crate::guest::Guest;
use crate::host::{Fault, Host};
use crate::process::Process;
use crate::roots;
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;
use wasmtime::{Caller, Linker, Result};

/// Envoy's default `max_requests` of a cluster, over all threads.
const MAX_PENDING: usize = 1024;

/// The clusters that callouts can reach. Any name, until a test says otherwise.
#[derive(Debug, Default)]
pub struct Clusters {
    only: RefCell<Option<BTreeSet<String>>>,
    without_hosts: RefCell<BTreeSet<String>>,
}

impl Clusters {
    /// Only these exist: a call to another is status 2.
    pub fn only<'a>(&self, names: impl IntoIterator<Item = &'a str>) {
        *self.only.borrow_mut() = Some(names.into_iter().map(str::to_owned).collect());
    }

    /// All exist.
    pub fn all(&self) {
        *self.only.borrow_mut() = None;
    }

    /// `name` has no healthy host: a call to it is status 10.
    pub fn take_down(&self, name: &str) {
        self.without_hosts.borrow_mut().insert(name.into());
    }

    /// `name` has a healthy host again.
    pub fn bring_up(&self, name: &str) {
        self.without_hosts.borrow_mut().remove(name);
    }
}

pub(crate) fn define(linker: &mut Linker<Guest>, name: &str) -> Result<bool> {
    if name != "proxy_http_call" {
        return Ok(false);
    }
    linker.func_wrap("env", name, http_call)?;
    Ok(true)
}

#[expect(clippy::too_many_arguments, reason = "the ABI's signature")]
fn http_call(
    caller: Caller<'_, Guest>,
    cluster: u32,
    cluster_length: u32,
    headers: u32,
    headers_length: u32,
    body: u32,
    body_length: u32,
    trailers: u32,
    trailers_length: u32,
    timeout: u32,
    token_at: u32,
) -> Result<u32> {
    let host = Host(caller);
    let about = host.subject(cluster, cluster_length);
    host.answer("proxy_http_call", about.clone(), |host| {
        let request = Request {
            cluster: about,
            headers: host.pairs(headers, headers_length)?,
            body: host.bytes(body, body_length)?,
            trailers: host.pairs(trailers, trailers_length)?,
            timeout: (timeout > 0).then(|| Duration::from_millis(timeout.into())),
        };
        host.write_u32(token_at, 0)?;
        admit(&host.guest().process, &request, timeout)?;
        let token = make(host.guest(), request);
        host.write_u32(token_at, token)?;
        deliver_inside(host, token)
    })
}

fn admit(process: &Process, request: &Request, timeout: u32) -> Result<(), Status> {
    let unknown = |only: &BTreeSet<String>| !only.contains(&request.cluster);
    let needed = [":method", ":path", ":authority"];
    if timeout.cast_signed() < 0
        || process.clusters.only.borrow().as_ref().is_some_and(unknown)
        || needed.iter().any(|name| request.headers.value(name).is_none())
    {
        return Err(Status::BAD_ARGUMENT);
    }
    let calls = process.callouts.borrow();
    let pending = calls.iter().filter(|it| it.waiting.get());
    let pending = pending.filter(|it| it.request.cluster == request.cluster).count();
    let down = process.clusters.without_hosts.borrow().contains(&request.cluster);
    if down || pending >= MAX_PENDING { Err(Status::INTERNAL_FAILURE) } else { Ok(()) }
}

/// Notes the call, which belongs to the root context whoever makes it, and asks
/// the test's server how it will end.
fn make(guest: &mut Guest, mut request: Request) -> u32 {
    if !request.body.is_empty() {
        request.headers.replace(b"content-length", request.body.len().to_string().as_bytes());
    }
    let token = guest.next_token;
    guest.next_token += 4;
    let made_at = guest.process.clock.monotonic_nanos();
    let answer = guest.process.server.borrow_mut().as_mut().map(|server| server(&request));
    let answer = answer.filter(|answer| !matches!(answer.end, End::Silence));
    let record = CallRecord {
        vm: guest.number,
        root: guest.root_id(),
        token,
        request,
        made_at,
        waiting: Cell::new(true),
        answer: RefCell::new(answer.map(|it| (made_at.saturating_add(nanos(it.after)), it))),
    };
    guest.process.callouts.borrow_mut().push(Rc::new(record));
    token
}

/// In the re-entrant mode, an answer without delay comes before the call returns.
fn deliver_inside(host: &mut Host<'_>, token: u32) -> Result<(), Fault> {
    let (process, number) = (Rc::clone(&host.guest().process), host.guest().number);
    let calls = process.callouts.borrow();
    let record = calls.iter().rev().find(|it| it.vm == number && it.token == token);
    let now = process.clock.monotonic_nanos();
    let Some(record) = record.filter(|_| process.settings.reentrant).cloned() else {
        return Ok(());
    };
    drop(calls);
    let End::Response(response) = (match record.due() {
        Some(due) if due <= now => record.take_answer(now).end,
        _ => return Ok(()),
    }) else {
        return Ok(());
    };
    record.waiting.set(false);
    roots::reenter(host, record.root, token, response)
}

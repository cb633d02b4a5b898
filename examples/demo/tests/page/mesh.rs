//! The demo itself, as somebody starts it.

use std::process::Stdio;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

/// How long the demo may take to start, and what is sent to arrive.
const PATIENCE: Duration = Duration::from_secs(90);

pub(crate) struct Mesh {
    child: Child,
    http: Client<HttpConnector, Full<Bytes>>,
    /// Where the page is: `http://127.0.0.1:18002`.
    pub(crate) page: String,
}

impl Mesh {
    /// Starts it on some free block of ports, and waits until it serves.
    pub(crate) async fn start(options: &[&str]) -> Self {
        // Another block than a demo that a person has started, and tests at the same time.
        let first = 20_000 + u32::from(std::process::id() as u16 % 150) * 54;
        for attempt in 0..20 {
            let base = (first + attempt * 54).to_string();
            let mut child = Command::new(env!("CARGO_BIN_EXE_hopspan-demo"))
                .args(["--port-base", &base])
                .args(options)
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
            let page = timeout(PATIENCE, served(&mut lines)).await.expect("the demo starts");
            if let Some(page) = page {
                tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
                let http = Client::builder(TokioExecutor::new()).build_http();
                return Self { child, http, page: page.trim_end_matches('/').to_owned() };
            }
            let said = child.wait_with_output().await.unwrap();
            let said = String::from_utf8_lossy(&said.stderr).into_owned();
            assert!(said.contains("is taken"), "{said}");
        }
        panic!("no free block of ports");
    }

    /// The answer of Lens to a question of its API.
    pub(crate) async fn ask(&self, path: &str) -> Value {
        let uri = format!("{}/api{path}", self.page);
        let response = self.http.get(uri.parse().unwrap()).await.unwrap();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        serde_json::from_slice(&body).unwrap_or_else(|error| panic!("{path}: {error}: {body:?}"))
    }

    /// Asks until an answer satisfies, each time something was stored.
    pub(crate) async fn ask_until(&self, path: &str, satisfies: impl Fn(&Value) -> bool) -> Value {
        let asking = async {
            let uri = format!("{}/api/events", self.page);
            let mut news = self.http.get(uri.parse().unwrap()).await.unwrap().into_body();
            loop {
                let answer = self.ask(path).await;
                if satisfies(&answer) {
                    return answer;
                }
                news.frame().await.expect("Lens goes on").unwrap();
            }
        };
        let waited = timeout(PATIENCE, asking).await;
        waited.unwrap_or_else(|_| panic!("{path} never was as it should"))
    }

    /// Sends spans of our own.
    pub(crate) async fn send(&self, request: &Value) {
        let request = Request::post(format!("{}/v1/traces", self.page))
            .header("content-type", "application/json")
            .body(Full::from(request.to_string()))
            .unwrap();
        let response = self.http.request(request).await.unwrap();
        assert!(response.status().is_success(), "{response:?}");
    }

    /// Ends it as Ctrl-C does; everything must be gone soon.
    pub(crate) async fn stop(mut self) {
        let pid = rustix::process::Pid::from_raw(self.child.id().unwrap() as i32).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
        let ended = timeout(PATIENCE, self.child.wait()).await;
        assert!(ended.expect("the demo ends on Ctrl-C").unwrap().success());
    }
}

/// The page's address, once everything runs; `None` if the demo ended first.
async fn served(lines: &mut Lines<BufReader<ChildStdout>>) -> Option<String> {
    let mut page = None;
    while let Some(line) = lines.next_line().await.unwrap() {
        if let Some(address) = line.strip_prefix("page ") {
            page = Some(address.trim().to_owned());
        }
        if line.contains("ready after") {
            return page;
        }
    }
    None
}

//! The services. They do nothing about tracing but pass the headers on, and one of them
//! sometimes forgets to.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, Request, StatusCode, Uri, header};
use axum::routing::{get, post};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::time::{Duration, sleep};

use crate::mesh::{Ports, Service};
use crate::ports::loopback;

/// What an application has to copy from the request it got to those it makes, and all that
/// it has to do.
const PASSED_ON: [&str; 10] = [
    "traceparent",
    "tracestate",
    "baggage",
    "b3",
    "x-b3-traceid",
    "x-b3-spanid",
    "x-b3-parentspanid",
    "x-b3-sampled",
    "x-b3-flags",
    "x-request-id",
];

/// An HTTP client that keeps its connections.
pub(crate) type HttpClient = Client<HttpConnector, Full<Bytes>>;

pub(crate) fn http_client() -> HttpClient {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    Client::builder(TokioExecutor::new()).build(connector)
}

/// Everything that a service answers.
pub(crate) fn router(service: Service, ports: Ports) -> Router {
    let routes = match service {
        Service::Shop => Router::new()
            .route("/products/{*rest}", get(shop_product))
            .route("/carts/{*rest}", get(shop_cart))
            .route("/orders/{*rest}", post(shop_order)),
        Service::Catalog => Router::new().route("/products/{*rest}", get(catalog_product)),
        Service::Stock => Router::new()
            .route("/stock/{id}", get(async || worked(3, "3 in stock").await))
            .route("/stock/{id}/forgetful", get(async || worked(3, "3 in stock").await))
            .route("/stock/{id}/slow", get(async || worked(300, "3 in stock").await)),
        Service::Cart => Router::new()
            .route("/carts/{id}", get(async || worked(2, "2 items").await))
            .route("/carts/{id}/flaky", get(flaky_cart)),
        Service::Pay => Router::new()
            .route("/payments/{id}", post(async || worked(8, "paid").await))
            .route("/payments/{id}/fail", post(refused_payment))
            .route("/payments/{id}/hidden", post(refused_payment)),
    };
    routes.with_state(Sidecar { client: http_client(), port: ports.outbound(service) })
}

/// `None` of what a service says if something went wrong: then the status says it all.
type Answer = Result<String, (StatusCode, String)>;

async fn shop_product(State(sidecar): State<Sidecar>, headers: HeaderMap, uri: Uri) -> Answer {
    sidecar.ask(&headers, Service::Catalog, Method::GET, uri.path()).await
}

async fn shop_cart(State(sidecar): State<Sidecar>, headers: HeaderMap, uri: Uri) -> Answer {
    sidecar.ask(&headers, Service::Cart, Method::GET, uri.path()).await
}

async fn shop_order(State(sidecar): State<Sidecar>, headers: HeaderMap, uri: Uri) -> Answer {
    let rest = rest(&uri);
    let id = rest.split('/').next().unwrap_or_default();
    let cart = sidecar.ask(&headers, Service::Cart, Method::GET, &format!("/carts/{id}")).await?;
    let path = format!("/products/{id}");
    let product = sidecar.ask(&headers, Service::Catalog, Method::GET, &path).await?;
    let path = format!("/payments/{rest}");
    let payment = sidecar.ask(&headers, Service::Pay, Method::POST, &path).await;
    let payment = match payment {
        // What looks like success to the client, and to whoever looks at statuses alone.
        Err(_) if path.ends_with("/hidden") => "to be paid later\n".to_owned(),
        payment => payment?,
    };
    Ok(format!("{cart}{product}{payment}"))
}

async fn catalog_product(State(sidecar): State<Sidecar>, headers: HeaderMap, uri: Uri) -> Answer {
    let path = format!("/stock/{}", rest(&uri));
    // The mistake that every mesh knows: a call that is made without the headers.
    let headers = if path.ends_with("/forgetful") { HeaderMap::new() } else { headers };
    let stock = sidecar.ask(&headers, Service::Stock, Method::GET, &path).await?;
    Ok(format!("a fine product, {stock}"))
}

/// Refuses the first try and takes the second: Envoy counts them in this header.
async fn flaky_cart(headers: HeaderMap) -> Answer {
    match headers.get("x-envoy-attempt-count") {
        Some(count) if count != "1" => worked(2, "2 items").await,
        _ => Err((StatusCode::SERVICE_UNAVAILABLE, "not now\n".to_owned())),
    }
}

async fn refused_payment() -> Answer {
    sleep(Duration::from_millis(4)).await;
    Err((StatusCode::INTERNAL_SERVER_ERROR, "the bank does not answer\n".to_owned()))
}

/// The result of some work.
async fn worked(millis: u64, result: &str) -> Answer {
    sleep(Duration::from_millis(millis)).await;
    Ok(format!("{result}\n"))
}

/// The path without its first segment: `/orders/7/fail` -> `7/fail`.
fn rest(uri: &Uri) -> &str {
    uri.path().trim_start_matches('/').split_once('/').map_or("", |(_, rest)| rest)
}

/// The way from one service to the others.
#[derive(Clone)]
struct Sidecar {
    client: HttpClient,
    port: u16,
}

impl Sidecar {
    /// Asks another service on behalf of the request that had these headers.
    ///
    /// The other's 4xx is our own; everything else that goes wrong is a bad gateway.
    async fn ask(&self, headers: &HeaderMap, who: Service, method: Method, path: &str) -> Answer {
        let bad = |text: String| (StatusCode::BAD_GATEWAY, format!("{}: {text}\n", who.name()));
        let body = if method == Method::POST { r#"{"amount":42}"# } else { "" };
        let mut request = Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", loopback(self.port)))
            .header(header::HOST, who.name())
            .body(Full::from(body))
            .map_err(|error| bad(error.to_string()))?;
        for name in PASSED_ON {
            for value in headers.get_all(name) {
                request.headers_mut().append(name, value.clone());
            }
        }
        let response =
            self.client.request(request).await.map_err(|error| bad(error.to_string()))?;
        let status = response.status();
        let body = Body::new(response.into_body()).collect().await;
        let body = body.map_err(|error| bad(error.to_string()))?.to_bytes();
        let text = String::from_utf8_lossy(&body).into_owned();
        match status {
            status if status.is_success() => Ok(text),
            status if status.is_client_error() => Err((status, text)),
            status => Err(bad(format!("{status}: {}", text.trim_end()))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Starts a service whose sidecar's outbound port is one that answers with all headers.
    #[tokio::test]
    async fn passes_trace_headers_on_and_nothing_else() {
        let echo = Router::new().fallback(async |headers: HeaderMap| {
            let mut names: Vec<_> =
                headers.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
            names.sort();
            names.join("\n")
        });
        let listener = tokio::net::TcpListener::bind(loopback(0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = tokio::spawn(axum::serve(listener, echo).into_future());

        let mut headers = HeaderMap::new();
        headers.append("traceparent", "00-01-02-01".parse().unwrap());
        headers.append("tracestate", "a=1".parse().unwrap());
        headers.append("tracestate", "b=2".parse().unwrap());
        headers.append("cookie", "secret".parse().unwrap());
        let sidecar = Sidecar { client: http_client(), port };
        let text = sidecar.ask(&headers, Service::Pay, Method::GET, "/payments/1").await.unwrap();
        server.abort();
        assert_eq!(
            text,
            "host=\"pay\"\ntraceparent=\"00-01-02-01\"\ntracestate=\"a=1\"\ntracestate=\"b=2\""
        );
    }
}

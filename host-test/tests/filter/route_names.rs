//! The routes of spans: configured, learned, or what the proxy's own route says.

use crate::hopspan::{
    GATEWAY, Hopspan, INBOUND, OUTBOUND, SAMPLED, UNCOUNTED_GATEWAY, UNCOUNTED_INBOUND, builder,
    sampled_get,
};
use crate::received::Received;
use host_test::{Action, Headers, Stream, Value};

const ROUTE: &str = "xds.route_metadata.filter_metadata.hopspan.route";
const SPAN_NAME: &str = "xds.route_metadata.filter_metadata.hopspan.span_name";

/// How a request ends.
type End<'a> = &'a dyn Fn(&Stream) -> Action;

fn get(path: &str) -> Headers {
    sampled_get().with(":path", path)
}

fn ok(stream: &Stream) -> Action {
    stream.respond(200)
}

/// A whole request; its spans, the server's first.
fn ask(hopspan: &Hopspan, request: &Headers, end: End<'_>) -> Vec<Received> {
    let stream = hopspan.stream();
    stream.request_headers(request, true);
    hopspan.pass(700);
    end(&stream);
    stream.finish();
    hopspan.spans()
}

/// What a span says of its route: its name, `http.route`, `url.template`, `hopspan.route`.
fn said(span: &Received) -> [Option<&str>; 4] {
    let [route, template, own] =
        ["http.route", "url.template", "hopspan.route"].map(|it| span.text(it));
    [Some(span.span.name.as_str()), route, template, own]
}

fn with(config: &str, more: &str) -> String {
    let (before, _) = config.rsplit_once('}').unwrap();
    format!("{before},{more}}}")
}

/// A proxy that has seen `first` says of `/users/7` what it says of a learned route.
#[test]
fn a_shape_is_learned_where_something_was_found() {
    let respond = |status: u16| move |it: &Stream| it.respond(status);
    let local = |status: u16| move |it: &Stream| it.local_reply(status, 0, "direct_response");
    let found = |end: End<'_>, method: &str| {
        let hopspan = Hopspan::start(INBOUND);
        let own = ask(&hopspan, &get("/users/1").with(":method", method), end);
        // Nothing is found here, so that it tells what was learned before.
        let later = ask(&hopspan, &get("/users/7"), &respond(404));
        let [own, later] = [own, later].map(|it| it[0].text("hopspan.route").map(str::to_owned));
        assert_eq!(own, later, "the request that finds something has the route as well");
        assert!(later.as_deref().is_none_or(|it| it == "/users/{number}"), "{later:?}");
        later.is_some()
    };
    for (status, want) in [
        (200, true),
        (204, true),
        (299, true),
        (304, true),
        (301, false),
        (400, false),
        (401, false),
        (403, false),
        (404, false),
        (405, false),
        (410, false),
        (500, false),
        (503, false),
    ] {
        assert_eq!(found(&respond(status), "GET"), want, "{status}");
    }
    for (why, method, end, want) in [
        ("another method", "DELETE", &respond(204) as End<'_>, true),
        ("asks what all paths answer", "OPTIONS", &respond(204), false),
        ("TRACE, too", "TRACE", &respond(200), false),
        ("a method that nobody knows", "BREW", &respond(200), false),
        ("the proxy's own answer", "GET", &local(200), false),
        ("its 404", "GET", &local(404), false),
        (
            "an upgrade",
            "GET",
            &|it: &Stream| it.response_headers([(":status", "101")], false),
            true,
        ),
        ("an upgrade by the proxy", "GET", &local(101), false),
        ("no answer", "GET", &|_: &Stream| Action::Continue, false),
    ] {
        assert_eq!(found(end, method), want, "{why}");
    }
}

#[test]
fn a_learned_shape_is_no_route_of_the_servers() {
    for (config, name) in [(INBOUND, "GET"), (OUTBOUND, "GET"), (GATEWAY, "GET")] {
        let hopspan = Hopspan::start(config);
        let nothing = ask(&hopspan, &get("/users/7/cart?id=1"), &|it| it.respond(404));
        for span in &nothing {
            assert_eq!(said(span), [Some(name), None, None, None], "{config}");
        }
        let shape = Some("/users/{number}/cart");
        let found = ask(&hopspan, &get("/users/7/cart?id=1"), &ok);
        for span in &found {
            assert_eq!(said(span), [Some("GET /users/{number}/cart"), None, shape, shape]);
        }
        assert_eq!((nothing.len(), found.len()), if config == GATEWAY { (2, 2) } else { (1, 1) });
    }
}

#[test]
fn a_configured_template_is_a_route() {
    let patterns = r#""routes":{"patterns":["GET /users/{id}","/files/*"]}"#;
    let template = Some("/users/{id}");
    for (config, want) in [
        (INBOUND, &[[Some("GET /users/{id}"), template, None, template]][..]),
        (OUTBOUND, &[[Some("GET /users/{id}"), None, template, template]]),
        (
            GATEWAY,
            &[
                [Some("GET /users/{id}"), template, None, template],
                [Some("GET /users/{id}"), None, template, template],
            ],
        ),
    ] {
        let hopspan = Hopspan::start(&with(config, patterns));
        // It is the route wherever a request of it ends.
        for end in [&ok as End<'_>, &|it| it.respond(404)] {
            let spans = ask(&hopspan, &get("/users/ann?x=1"), end);
            assert_eq!(spans.iter().map(said).collect::<Vec<_>>(), want, "{config}");
        }
        let [span, ..] = &ask(&hopspan, &get("/files/a/b"), &ok)[..] else { panic!("a span") };
        assert_eq!(span.span.name, "GET /files/*");
        let [span, ..] = &ask(&hopspan, &get("/carts/7"), &ok)[..] else { panic!("a span") };
        assert_eq!(span.span.name, "GET /carts/{number}", "what is not configured is learned");
    }
}

#[test]
fn a_scanner_fills_no_table() {
    let hopspan = Hopspan::start(&with(INBOUND, r#""routes":{"max":3}"#));
    let mut named = Vec::new();
    for number in 0..400 {
        let stream = hopspan.stream();
        let word: String = format!("{number:03}").bytes().map(|it| char::from(it + 49)).collect();
        stream.request_headers(get(&format!("/{word}/admin.php")), true);
        hopspan.pass(70);
        match number % 4 {
            0 => stream.respond(404),
            1 => stream.respond(405),
            2 => stream.local_reply(404, 0, "route_not_found"),
            _ => stream.local_reply(200, 0, "direct_response"),
        };
        stream.finish();
    }
    named.extend(hopspan.spans());
    assert_eq!(named.len(), 400);
    for span in &named {
        assert_eq!(said(span), [Some("GET"), None, None, None]);
    }
    for (path, want) in [
        ("/a/1", "/a/{number}"),
        ("/b", "/b"),
        ("/c", "/c"),
        ("/d", "_other"),
        ("/e", "_other"),
        ("/a/2", "/a/{number}"),
    ] {
        let [span] = &ask(&hopspan, &get(path), &ok)[..] else { panic!("a span") };
        let template = Some(want).filter(|it| *it != "_other");
        assert_eq!(said(span), [Some(&*format!("GET {want}")), None, template, Some(want)]);
    }
    let [span] = &ask(&hopspan, &get("/d"), &|it| it.respond(404))[..] else { panic!() };
    assert_eq!(said(span), [Some("GET"), None, None, None], "nothing was found there");
}

/// Each learns for itself, and calls what it has learned the same.
#[test]
fn workers_agree() {
    let hopspan = Hopspan::of(builder(INBOUND).workers(2));
    for path in ["/users/7", "/orders/550e8400-e29b-41d4-a716-446655440000", "/a%40b.org/x"] {
        for worker in [0, 1] {
            let stream = hopspan.worker(worker).stream();
            stream.request_headers(get(path), true);
            hopspan.pass(70);
            stream.respond(200);
            stream.finish();
        }
    }
    let spans = hopspan.spans();
    assert_eq!(spans.len(), 6);
    for want in ["/users/{number}", "/orders/{uuid}", "/{email}/x"] {
        let found = spans.iter().filter(|it| it.text("url.template") == Some(want)).count();
        assert_eq!(found, 2, "{want}");
    }
}

#[test]
fn learning_can_be_switched_off() {
    let hopspan = Hopspan::start(&with(INBOUND, r#""routes":{"learn":false}"#));
    let [span] = &ask(&hopspan, &get("/users/7"), &ok)[..] else { panic!("a span") };
    assert_eq!(said(span), [Some("GET"), None, None, None]);
}

#[test]
fn a_call_is_named_by_its_method_and_its_path_is_not_learned() {
    let hopspan = Hopspan::start(INBOUND);
    let call = Headers::grpc("/shop.Cart/Add").with("traceparent", SAMPLED);
    let end = |it: &Stream| {
        it.response_headers([(":status", "200"), ("content-type", "application/grpc")], false);
        it.response_trailers([("grpc-status", "0")])
    };
    let [span] = &ask(&hopspan, &call, &end)[..] else { panic!("a span") };
    assert_eq!(said(span), [Some("shop.Cart/Add"), None, None, None]);
    let post = get("/shop.Cart/Add").with(":method", "POST");
    let [span] = &ask(&hopspan, &post, &|it| it.respond(404))[..] else { panic!("a span") };
    assert_eq!(said(span), [Some("POST"), None, None, None], "the call has not taught it");
}

#[test]
fn a_route_of_the_proxy_says_what_it_is() {
    let config = with(INBOUND, r#""routes":{"metadata":true,"patterns":["/users/{id}"]}"#);
    let long = "x".repeat(257);
    let is = |route: &'static str| [Some(route), Some(route)];
    for (why, route, name, want_name, want_route) in [
        ("no word", None, None, "GET /users/{id}", is("/users/{id}")),
        ("its route", Some("/u/{it}".into()), None, "GET /u/{it}", is("/u/{it}")),
        ("its name", None, Some("find a user".into()), "find a user", is("/users/{id}")),
        ("both", Some("/u".into()), Some("find".into()), "find", is("/u")),
        (
            "no text",
            Some(Value::Double(1.5)),
            Some(true.into()),
            "GET /users/{id}",
            is("/users/{id}"),
        ),
        ("nothing in it", Some("".into()), Some("".into()), "GET /users/{id}", is("/users/{id}")),
        (
            "control characters",
            Some("/a\n".into()),
            Some("a\tb".into()),
            "GET /users/{id}",
            is("/users/{id}"),
        ),
        (
            "too much",
            Some(long.as_str().into()),
            Some(long.as_str().into()),
            "GET /users/{id}",
            is("/users/{id}"),
        ),
    ] {
        let hopspan = Hopspan::start(&config);
        let stream = hopspan.stream();
        for (property, value) in [(ROUTE, route), (SPAN_NAME, name)] {
            if let Some(value) = value {
                stream.set_property(property, value);
            }
        }
        stream.request_headers(get("/users/7"), true);
        stream.respond(200);
        stream.finish();
        let span = hopspan.span();
        let [name, route, template, own] = said(&span);
        assert_eq!((name, template), (Some(want_name), None), "{why}");
        assert_eq!([route, own], want_route, "{why}");
    }
}

/// The proxy's route wants a name even for a call.
#[test]
fn a_routes_name_comes_before_a_method() {
    let hopspan = Hopspan::start(&with(OUTBOUND, r#""routes":{"metadata":true}"#));
    let call = Headers::grpc("/shop.Cart/Add").with("traceparent", SAMPLED);
    let stream = hopspan.stream();
    stream.set_property(SPAN_NAME, "add to the cart");
    stream.set_property(ROUTE, "/cart");
    stream.request_headers(call, true);
    stream.respond(200);
    stream.finish();
    let span = hopspan.span();
    assert_eq!(said(&span), [Some("add to the cart"), None, Some("/cart"), Some("/cart")]);
    assert_eq!(span.text("rpc.method"), Some("shop.Cart/Add"));
}

/// A host call each, so only where it was asked for, and only of what is recorded.
#[test]
fn metadata_is_read_once_where_it_is_on() {
    let asked = |config: &str, request: Headers| {
        let hopspan = Hopspan::start(config);
        let stream = hopspan.stream();
        stream.set_property(ROUTE, "/r");
        stream.set_property(SPAN_NAME, "n");
        stream.request_headers(request, true);
        stream.respond(200);
        stream.finish();
        let calls = hopspan.hostcalls();
        [ROUTE, SPAN_NAME].map(|it| calls.about("proxy_get_property", it))
    };
    let on = |config: &str| with(config, r#""routes":{"metadata":true}"#);
    assert_eq!(asked(UNCOUNTED_INBOUND, get("/")), [0, 0], "off");
    assert_eq!(asked(&on(UNCOUNTED_INBOUND), get("/")), [1, 1], "on");
    assert_eq!(asked(&on(UNCOUNTED_GATEWAY), get("/")), [1, 1], "on, for two spans");
    let unsampled = get("/").with("traceparent", crate::hopspan::UNSAMPLED);
    assert_eq!(asked(&on(UNCOUNTED_INBOUND), unsampled), [0, 0], "not recorded");
}

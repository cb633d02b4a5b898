//! What spans look like where somebody has said so.

use super::*;
use hopspan_core::redact::Place;

/// Those of a span's attributes whose keys begin with `my.`.
fn mine(span: &otlp_types::Span) -> Vec<String> {
    attributes(span).into_iter().filter(|it| it.starts_with("my.")).collect()
}

fn with_spans(direction: &str, spans: &str) -> Tracer {
    tracer(&format!(
        r#"{{"direction":"{direction}","collector":{{"cluster":"c"}},"spans":{spans},
            "service":{{"name":"cart"}},"routes":{{"patterns":["/cart","/users/{{id}}"]}}}}"#
    ))
}

const CHOSEN: &str = r#"{"attributes":[
    {"key":"my.zone","from":"literal","value":"eu"},
    {"key":"my.tier","from":"literal","value":3},
    {"key":"my.share","from":"literal","value":0.5},
    {"key":"my.good","from":"literal","value":true},
    {"key":"my.tenant","from":"request_header","name":"X-Tenant"},
    {"key":"my.cookie","from":"request_header","name":"cookie"},
    {"key":"my.referer","from":"request_header","name":"referer"},
    {"key":"my.cache","from":"response_header","name":"x-cache"},
    {"key":"my.user","from":"baggage","name":"user"},
    {"key":"my.token","from":"baggage","name":"plan"},
    {"key":"my.locality","from":"property","path":"upstream.locality"},
    {"key":"my.auth","from":"property","path":"request.headers.authorization"},
    {"key":"my.size","from":"property","path":"request.total_size","type":"integer"},
    {"key":"my.load","from":"property","path":"load","type":"float"},
    {"key":"my.mtls","from":"property","path":"connection.mtls","type":"boolean"},
    {"key":"my.odd","from":"property","path":"odd","type":"integer"},
    {"key":"my.none","from":"property","path":"none"}
]}"#;

fn rich_stream() -> Scripted {
    let mut stream = Scripted::answered("200");
    let response = stream.response.as_mut().unwrap();
    response.extend([("x-cache", "hit"), ("x-cache", "stale"), ("x-other", "no")]);
    stream.properties = HashMap::from([
        ("upstream\0locality", b"eu/west".to_vec()),
        ("request\0headers\0authorization", b"Bearer s3cret".to_vec()),
        ("request\0total_size", 1234_i64.to_le_bytes().to_vec()),
        ("load", 0.25_f64.to_le_bytes().to_vec()),
        ("connection\0mtls", vec![1]),
        ("odd", b"not eight bytes".to_vec()),
        ("none", Vec::new()),
    ]);
    stream
}

const REQUEST: [(&str, &str); 4] = [
    ("x-tenant", "acme"),
    ("cookie", "id=s3cret"),
    ("referer", "https://me:s3cret@shop/?token=s3cret"),
    ("baggage", "user=ann%20b,plan=s3cret"),
];

/// Types are kept, and secrets are by the names of both ends.
#[test]
fn chosen_attributes_come_last_and_keep_their_types() {
    let mut tracer = with_spans("gateway", CHOSEN);
    exchange(&mut tracer, &REQUEST, rich_stream());
    let spans = exported(&mut tracer);
    assert_eq!(spans.len(), 2);
    for span in spans {
        let want = [
            "my.tenant=acme",
            "my.cookie=REDACTED",
            "my.referer=https://REDACTED:REDACTED@shop/?token=REDACTED",
            "my.user=ann b",
            "my.token=REDACTED",
            "my.zone=eu",
            "my.tier=3",
            "my.share=DoubleValue(0.5)",
            "my.good=true",
            "my.cache=hit, stale",
            "my.locality=eu/west",
            "my.auth=REDACTED",
            "my.size=1234",
            "my.load=DoubleValue(0.25)",
            "my.mtls=true",
        ];
        assert_eq!(mine(&span), want);
        assert_eq!(attributes(&span)[span.attributes.len() - want.len()..], want, "last");
    }
    let redactions = Place::ALL.map(|it| tracer.stats.get(Stat::of_redactions(it)));
    // Query: the request's and that of its referer. A hop that makes two spans counts once.
    assert_eq!(redactions, [2, 1, 0, 1, 1, 1]);
}

#[test]
fn a_request_that_is_kept_afterwards_tells_the_same_but_its_baggage() {
    let mut tracer = tracer(&format!(
        r#"{{"direction":"inbound","collector":{{"cluster":"c"}},"spans":{CHOSEN},
            "sampling":{{"ratio":0,"keep":{{"errors":true}}}}}}"#
    ));
    let mut stream = rich_stream();
    stream.response.as_mut().unwrap()[0].1 = "500";
    stream.request = Some([&GET[..], &REQUEST].concat());
    exchange(&mut tracer, &REQUEST, stream);
    let [span] = &exported(&mut tracer)[..] else { panic!("one span") };
    let told = mine(span);
    assert!(told.contains(&"my.tenant=acme".to_owned()), "{told:?}");
    assert!(told.contains(&"my.cookie=REDACTED".to_owned()), "{told:?}");
    assert!(!told.iter().any(|it| it.starts_with("my.user")), "{told:?}");
}

#[test]
fn a_request_that_is_not_recorded_is_not_asked() {
    let mut tracer = tracer(&format!(
        r#"{{"direction":"inbound","collector":{{"cluster":"c"}},"spans":{CHOSEN},"sampling":{{"ratio":0}}}}"#
    ));
    exchange(&mut tracer, &REQUEST, rich_stream());
    assert!(exported(&mut tracer).is_empty());
    assert!(Place::ALL.iter().all(|it| tracer.stats.get(Stat::of_redactions(*it)) == 0));
}

#[test]
fn a_span_is_called_what_the_template_says() {
    let grpc = [("content-type", "application/grpc"), (":path", "/shop.Cart/Add")];
    for (why, template, more, want) in [
        ("the default", "{method} {route}", &[][..], "GET /cart"),
        ("an RPC", "{method} {route}", &grpc, "shop.Cart/Add"),
        ("no route", "{method} {route}", &[(":path", "/x")], "GET"),
        ("an unknown method", "{method}", &[(":method", "BREW")], "HTTP"),
        ("all of it", "{service}: {method} {host} {cluster}", &[], "cart: GET shop.example shop"),
        ("text alone", "a hop", &[], "a hop"),
        ("nothing that is known", "{route}", &[(":path", "/x")], "GET"),
    ] {
        let spans = format!(r#"{{"name":"{template}"}}"#);
        let mut tracer = with_spans("inbound", &spans);
        let other = |(name, _): &&(&str, &str)| !more.iter().any(|it| it.0 == *name);
        let others: Vec<_> = GET.iter().filter(other).copied().collect();
        let bytes = encode_headers(&[&others, more].concat());
        let head = RequestHead { headers: Headers::new(&bytes), end_of_stream: true, now: ms(0) };
        // The shape of an unknown path would be learned.
        let status = if want == "shop.Cart/Add" { "200" } else { "404" };
        let mut stream = Scripted::answered(status);
        let span = tracer.start(&head, &mut stream, &mut ids()).span.unwrap();
        tracer.finish(span, &mut stream, || at(52));
        let [span] = &exported(&mut tracer)[..] else { panic!("one span") };
        assert_eq!(span.name, want, "{why}");
    }
}

#[test]
fn limits_drop_what_was_chosen_first_and_say_how_much() {
    let whole = {
        let mut tracer = with_spans("inbound", CHOSEN);
        exchange(&mut tracer, &REQUEST, rich_stream());
        exported(&mut tracer).remove(0)
    };
    assert_eq!(whole.dropped_attributes_count, 0);
    let count = whole.attributes.len();
    for limit in [1, count - 2, count, count + 1] {
        let spans = CHOSEN.replacen('{', &format!(r#"{{"attribute_count_limit":{limit},"#), 1);
        let mut tracer = with_spans("inbound", &spans);
        exchange(&mut tracer, &REQUEST, rich_stream());
        let [span] = &exported(&mut tracer)[..] else { panic!("one span") };
        let left = count.min(limit);
        assert_eq!(span.attributes, whole.attributes[..left]);
        assert_eq!(span.dropped_attributes_count as usize, count - left);
    }
}

#[test]
fn texts_are_cut_between_characters() {
    let mut tracer = with_spans(
        "inbound",
        r#"{"attribute_value_length_limit":9,"attributes":[
            {"key":"my.long","from":"request_header","name":"x-long"}]}"#,
    );
    let more = [("x-long", "üüüüüüüüüüüü"), ("x-request-id", "12345678901234567890")];
    exchange(&mut tracer, &more, Scripted::answered("200"));
    let [span] = &exported(&mut tracer)[..] else { panic!("one span") };
    let all = attributes(span);
    assert_eq!(mine(span), ["my.long=üüüüüüüüü"]);
    assert!(all.contains(&"url.query=token=RED".to_owned()), "{all:?}");
    let long = span.attributes.iter().filter_map(|it| match it.value.as_ref()?.value.as_ref()? {
        Value::StringValue(it) => Some(it.chars().count()),
        _ => None,
    });
    assert!(long.max() == Some(9));
    assert!(!format!("{span:?}").contains("1234567890"), "in lists, too");
}

#[test]
fn a_path_may_be_told_by_its_shape_alone() {
    let more = [(":path", "/users/4711;token=s3cret/mail?id=1")];
    for (direction, want) in [
        ("inbound", "url.path=/users/{number}/mail"),
        ("outbound", "url.full=http://shop.example:8080/users/{number}/mail?id=REDACTED"),
    ] {
        let mut tracer = with_spans(direction, r#"{"redact":{"path":"template"}}"#);
        exchange(&mut tracer, &more, Scripted::answered("200"));
        let [span] = &exported(&mut tracer)[..] else { panic!("one span") };
        assert!(attributes(span).contains(&want.to_owned()), "{:?}", attributes(span));
        assert!(!format!("{span:?}").contains("4711"), "{span:?}");
    }
}

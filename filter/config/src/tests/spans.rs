//! What spans look like: attributes that somebody has chosen, names, and what is kept secret.

use super::*;
use hopspan_core::redact::token::Key;
use hopspan_core::redact::{Mode, Path, Query};
use hopspan_core::span::Limits as SpanLimits;
use hopspan_core::span::custom::{From, Type, Value as Told};

const KEY: (&str, &str) = ("HOPSPAN_REDACT_KEY", "0123456789abcdef");

fn chosen(attribute: Value) -> Result<Config, String> {
    let env = [("REGION", "eu"), ("API_TOKEN", "s3cret"), ("EMPTY", ""), KEY];
    let document = json!({"spans": {"attributes": [attribute]}}).to_string();
    Proxy { env: &env, ..Proxy::default() }.read(document)
}

#[test]
fn an_attribute_comes_from_where_it_is_said_to() {
    let named = |name: &str, from: From| (name.to_owned(), format!("{from:?}"));
    let text = |text: &str| From::Settings(Told::Text(text.into()));
    for (attribute, want) in [
        (json!({"from": "literal", "value": "x"}), named("", text("x"))),
        (json!({"from": "literal", "value": 3.0}), named("", From::Settings(Told::Integer(3)))),
        (json!({"from": "literal", "value": 0.5}), named("", From::Settings(Told::Float(0.5)))),
        (json!({"from": "literal", "value": true}), named("", From::Settings(Told::Flag(true)))),
        (json!({"from": "env", "name": "REGION"}), named("REGION", text("eu"))),
        (json!({"from": "env", "name": "API_TOKEN"}), named("API_TOKEN", text("REDACTED"))),
        (
            json!({"from": "request_header", "name": "X-Tenant"}),
            named("x-tenant", From::RequestHeader),
        ),
        (
            json!({"from": "response_header", "name": "X-Cache"}),
            named("x-cache", From::ResponseHeader),
        ),
        (json!({"from": "baggage", "name": "User.Id"}), named("User.Id", From::Baggage)),
        (
            json!({"from": "property", "path": "upstream.locality"}),
            named("upstream\0locality", From::Property(Type::Text)),
        ),
        (
            json!({"from": "property", "path": "metadata.filter_metadata[envoy.lb][a[b].c", "type": "integer"}),
            named("metadata\0filter_metadata\0envoy.lb\0a[b\0c", From::Property(Type::Integer)),
        ),
    ] {
        let mut attribute = attribute;
        attribute["key"] = json!("k");
        let config = chosen(attribute.clone()).unwrap();
        let [it] = &config.spans.custom[..] else { panic!("{attribute}") };
        assert_eq!((it.name.to_string(), format!("{:?}", it.from)), want, "{attribute}");
        assert_eq!(&*it.key, "k");
        assert!(!config.effective.contains("s3cret") && config.warnings.is_empty());
        // What it says of itself is a document again.
        let again = Proxy { env: &[("REGION", "eu"), ("API_TOKEN", "x")], ..Proxy::default() };
        let again = again.read(&config.effective).unwrap();
        assert_eq!(format!("{:?}", again.spans), format!("{:?}", config.spans));
    }
}

#[test]
fn an_attribute_that_makes_no_sense_is_refused() {
    for (attribute, want) in [
        (json!({"from": "env", "name": "A"}), ": must have key"),
        (json!({"key": "k"}), ": must have from"),
        (
            json!({"key": "k", "from": "header"}),
            r#".from: must be "literal", "env", "request_header", "response_header", "property" or "baggage", not "header""#,
        ),
        (json!({"key": "k", "from": "literal"}), ": must have value"),
        (json!({"key": "k", "from": "baggage"}), ": must have name"),
        (json!({"key": "k", "from": "property"}), ": must have path"),
        (
            json!({"key": "k", "from": "property", "path": "a", "name": "b"}),
            r#".name: has no meaning from "property""#,
        ),
        (
            json!({"key": "k", "from": "baggage", "type": "text", "name": "b"}),
            r#".type: has no meaning from "baggage""#,
        ),
        (
            json!({"key": "k", "from": "request_header", "name": ":path"}),
            ".name: must be a name of letters, digits and !#$%&'*+-.^_`|~",
        ),
        (
            json!({"key": "k", "from": "property", "path": "request.headers"}),
            ".path: must go on with the name of a header",
        ),
        (
            json!({"key": "k", "from": "property", "path": "a..b"}),
            r#".path: must be parts with dots between, like upstream.locality, not "a..b""#,
        ),
        (
            json!({"key": "url.path", "from": "literal", "value": 1}),
            r#".key: must not be "url.path", an attribute that spans have"#,
        ),
        (
            json!({"key": "hopspan.mine", "from": "literal", "value": 1}),
            r#".key: must not be "hopspan.mine", an attribute that spans have"#,
        ),
        (
            json!({"key": "k", "from": "literal", "value": [1]}),
            ".value: must be a text of at most 1024 characters, a number, true or false, not a list",
        ),
    ] {
        let got = chosen(attribute.clone()).map(|it| it.effective);
        assert_eq!(got, Err(format!("spans.attributes[0]{want}")), "{attribute}");
    }
}

#[test]
fn no_key_is_there_twice() {
    let document = json!({
        "propagation": {"baggage_attributes": ["a"]},
        "spans": {"attributes": [
            {"key": "b", "from": "literal", "value": 1},
            {"key": "a", "from": "literal", "value": 1},
            {"key": "b", "from": "literal", "value": 1},
        ]},
    });
    let want = r#"spans.attributes[1].key: must not be "a", which is there already; "#.to_owned()
        + r#"spans.attributes[2].key: must not be "b", which is there already"#;
    assert_eq!(Proxy::default().read(document.to_string()).map(|it| it.effective), Err(want));
}

#[test]
fn a_variable_that_is_not_set_is_an_attribute_that_is_not_there() {
    for name in ["NOPE", "EMPTY"] {
        let config = chosen(json!({"key": "k", "from": "env", "name": name})).unwrap();
        assert!(config.spans.custom.is_empty());
        let want = format!(
            "spans.attributes[0]: needs {name} in the VM's environment_variables; it is not set, \
             so spans have no k"
        );
        assert_eq!(config.warnings, [want]);
    }
}

#[test]
fn names_are_templates_of_few_words() {
    let read = |name: &str| {
        Proxy::default().read(json!({"spans": {"name": name}}).to_string()).map(|it| it.spans.name)
    };
    assert_eq!(read("in {service}: {route}").unwrap().to_string(), "in {service}: {route}");
    assert_eq!(
        read("{path}"),
        Err(r#"spans.name: must be 1 to 1024 characters with none in braces but {method} {route} {host} {cluster} {service}, not "{path}""#.to_owned())
    );
}

#[test]
fn what_is_secret_is_said() {
    let document = json!({"spans": {
        "redact": {
            "query": "listed", "query_allow": "page", "names": ["X-Pin", "*_no"], "mode": "hash",
            "path": "template",
        },
        "attribute_count_limit": 40,
        "attribute_value_length_limit": 100,
    }});
    let proxy = Proxy { env: &[KEY], ..Proxy::default() };
    let config = proxy.read(document.to_string()).unwrap();
    assert!(!config.effective.contains(KEY.1) && !format!("{config:?}").contains(KEY.1));
    let redact = config.spans.redact;
    assert_eq!((redact.query, redact.path), (Query::Listed, Path::Template));
    assert!(redact.query_allow.hold(b"page") && redact.is_secret(b"x_pin"));
    let Mode::Hash(key) = redact.mode else { panic!("{:?}", redact.mode) };
    let token = |key: &Key| {
        let mut token = Vec::new();
        key.write_token(b"x", &mut token);
        token
    };
    assert_eq!(token(&key), token(&Key::new(KEY.1.as_bytes())));
    let limits = SpanLimits { attribute_count: 40, attribute_value_length: 100 };
    assert_eq!(config.spans.limits, limits);
}

#[test]
fn tokens_need_a_key() {
    for env in [&[][..], &[(KEY.0, "")]] {
        let document = r#"{"spans": {"redact": {"mode": "hash"}}}"#;
        let got = Proxy { env, ..Proxy::default() }.read(document).map(|it| it.effective);
        let want = "spans.redact.mode: needs HOPSPAN_REDACT_KEY in the VM's environment_variables; it is not set";
        assert_eq!(got, Err(want.to_owned()));
    }
}

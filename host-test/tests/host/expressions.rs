//! Expressions: lists of properties in one call, as Envoy hands them over.

use crate::guest::{guest, said, start, started};
use host_test::{Headers, Module, Proxy, Value};

/// Creates an expression when it is configured, and evaluates it wherever there is a stream.
/// `also` is what else it does with the token at 512.
fn evaluating(text: &str, also: &str) -> Module {
    // Results go to 8 and 12: null would be that none is wanted.
    let create = format!(
        "(call $say (call $proxy_call_foreign_function
             $\"expr_create\" $\"{text}\" (i32.const 8) (i32.const 12)))
         (if (i32.eq (i32.load (i32.const 12)) (i32.const 4))
             (then (i32.store (i32.const 512) (i32.load (i32.load (i32.const 8))))))
         (i32.const 1)"
    );
    let evaluate = format!(
        "{also} (i64.store (i32.const 8) (i64.const 0))
         (call $say (call $proxy_call_foreign_function
             $\"expr_evaluate\" (i32.const 512) (i32.const 4) (i32.const 8) (i32.const 12)))
         (drop (call $proxy_log
             (i32.const 2) (i32.load (i32.const 8)) (i32.load (i32.const 12))))"
    );
    guest(&[
        ("configure", &create),
        ("request_headers", &format!("{evaluate} (i32.const 0)")),
        ("log", &evaluate),
        ("done", &format!("{evaluate} (i32.const 1)")),
    ])
}

/// What an expression comes to in a request's log: the status, and the bytes.
#[track_caller]
fn check(why: &str, text: &str, status: &str, bytes: &[u8]) {
    let proxy = start(&evaluating(text, ""));
    let stream = proxy.worker(0).stream();
    stream.set_property("xds.whole", Value::Unserialisable);
    stream.set_property("connection.id", 258);
    stream.request_headers(Headers::plain_get("/Cart"), true);
    stream.respond(200);
    stream.finish();
    let said = said(&proxy);
    // The last four are of the log and of `on_done`.
    let [.., log, shown, _, _] = &said[..] else { panic!("{said:?}") };
    assert_eq!((log.as_str(), shown.as_bytes()), (status, bytes), "{why}: {text}");
}

/// Each line as Envoy 1.36 and 1.40 answered it.
#[test]
fn lists_are_maps_from_items_to_nothing() {
    for (text, want) in [
        ("request.protocol", &b"HTTP/1.1"[..]),
        ("[]", b"\0\0\0\0"),
        ("[request.path]", b"\x01\0\0\0\x05\0\0\0\0\0\0\0/Cart\0\0"),
        ("['a', 'bc']", b"\x02\0\0\0\x01\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0a\0\0bc\0\0"),
        ("[connection.id]", b"\x01\0\0\0\x08\0\0\0\0\0\0\0\x02\x01\0\0\0\0\0\0\0\0"),
        ("[1]", b"\x01\0\0\0\x08\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\0\0"),
        ("has(request.path)", b"\x01"),
        ("has(request.nothing)", b"\0"),
        ("has(request.path) ? 'yes' : 'no'", b"yes"),
        ("has(connection.tls_version)?connection.tls_version:'no'", b"no"),
        (
            "[['a'],'']",
            b"\x02\0\0\0\x0f\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\
              \x01\0\0\0\x01\0\0\0\0\0\0\0a\0\0\0\0\0\0",
        ),
    ] {
        check("as in Envoy", text, "00", want);
    }
}

#[test]
fn one_field_that_is_absent_fails_the_whole_expression() {
    for (why, text, status) in [
        ("absent", "[request.protocol, connection.tls_version]", "10"),
        ("deep in it", "[['a', [connection.tls_version]]]", "10"),
        ("nobody knows the root", "[nothing.here]", "10"),
        ("nor of what is asked about", "[has(nothing.here)]", "10"),
        ("no condition", "request.path ? 'a' : 'b'", "10"),
        ("no wire form", "[xds.whole]", "03"),
        ("not asked for", "has(xds.whole) ? 'a' : xds.whole", "00"),
    ] {
        let bytes: &[u8] = if status == "00" { b"a" } else { b"" };
        check(why, text, status, bytes);
    }
}

#[test]
fn what_is_no_expression_is_refused() {
    for text in
        ["", "[", "[1", "[1,]", "]", "'a", "a b", "has(request)", "has('a')", "a.?b", "a ? b", "1x"]
    {
        let proxy = start(&evaluating(text, ""));
        assert_eq!(said(&proxy)[0], "02", "{text}");
    }
}

#[test]
fn an_expression_is_known_to_its_own_root_context_by_the_token_it_got() {
    let request = |proxy: &Proxy| {
        proxy.worker(0).stream().request_headers(Headers::plain_get("/"), true);
        said(proxy).pop().unwrap()
    };
    for (why, also, want) in [
        ("its own", "", ["00", "yes"]),
        ("another", "(i32.store (i32.const 512) (i32.const 1))", ["01", ""]),
        (
            "deleted",
            "(drop (call $proxy_call_foreign_function
                 $\"expr_delete\" (i32.const 512) (i32.const 4) (i32.const 0) (i32.const 0)))",
            ["01", ""],
        ),
    ] {
        let proxy = start(&evaluating("'yes'", also));
        request(&proxy);
        let said = said(&proxy);
        assert_eq!(said[said.len() - 2..], want, "{why}");
    }
    // Tokens of a new configuration start again, and the old ones are gone.
    let proxy = start(&evaluating("'yes'", "(i32.store (i32.const 512) (i32.const 0))"));
    proxy.reconfigure("").unwrap_or_else(|refused| panic!("{refused}"));
    assert_eq!(request(&proxy), "yes");
}

#[test]
fn a_host_may_have_no_expressions_or_those_of_a_test() {
    let module = evaluating("'yes'", "");
    let proxy = started(Proxy::builder(&module).without_expressions());
    assert_eq!(said(&proxy)[0], "01");
    let own = Proxy::builder(&module).foreign_function("expr_evaluate", |_| Ok(b"own".to_vec()));
    let proxy = started(own);
    proxy.worker(0).stream().request_headers(Headers::plain_get("/"), true);
    assert_eq!(said(&proxy).last().unwrap(), "own");
}

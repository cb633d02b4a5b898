//! What is replaced, and what is left.

use super::*;
use proptest::prelude::*;

fn names(patterns: &[&str]) -> Names {
    Names::new(patterns)
}

fn hash() -> Mode {
    Mode::Hash(Key::new(b"key"))
}

fn query(policy: &Policy, query: &str) -> (String, u32) {
    let (mut out, mut counts) = (Vec::new(), Counts::default());
    policy.write_query(query.as_bytes(), &mut out, &mut counts);
    (String::from_utf8(out).unwrap(), counts.iter().map(|(_, count)| count).sum())
}

#[test]
fn every_value_of_a_query_is_masked() {
    for (why, text, want, count) in [
        ("one value", "token=abc", "token=REDACTED", 1),
        ("several", "a=1&b=2", "a=REDACTED&b=REDACTED", 2),
        ("an empty value", "a=", "a=REDACTED", 1),
        ("a bare word", "debug", "debug", 0),
        ("an equals sign in the value", "a=b=c", "a=REDACTED", 1),
        ("a semicolon in the value", "a=b;c", "a=REDACTED", 1),
        ("empty parts", "&&", "&&", 0),
        ("nothing", "", "", 0),
    ] {
        assert_eq!(query(&Policy::default(), text), (want.to_owned(), count), "{why}");
    }
}

#[test]
fn fewer_values_are_masked_where_that_is_wanted() {
    let all = Policy { query_allow: names(&["page", "sort_*", "token"]), ..Policy::default() };
    let listed = Policy { query: Query::Listed, names: names(&["pin"]), ..Policy::default() };
    let off = Policy { query: Query::Off, names: names(&["pin"]), ..Policy::default() };
    for (why, text, of_all, of_listed, of_off) in [
        ("no secret", "a=1", "a=REDACTED", "a=1", "a=1"),
        ("an allowed key", "page=2&b=1", "page=2&b=REDACTED", "page=2&b=1", "page=2&b=1"),
        ("a pattern", "Sort-By=x", "Sort-By=x", "Sort-By=x", "Sort-By=x"),
        ("a listed name", "PIN=1", "PIN=REDACTED", "PIN=REDACTED", "PIN=1"),
        (
            "a built-in one, though allowed",
            "token=1",
            "token=REDACTED",
            "token=REDACTED",
            "token=REDACTED",
        ),
        (
            "percent-encoded",
            "%74oke%4E=1",
            "%74oke%4E=REDACTED",
            "%74oke%4E=REDACTED",
            "%74oke%4E=REDACTED",
        ),
        ("half encoded", "p%=1", "p%=REDACTED", "p%=1", "p%=1"),
        (
            "behind a semicolon",
            "page=1;token=2;a&b",
            "page=1;token=REDACTED&b",
            "page=1;token=REDACTED&b",
            "page=1;token=REDACTED&b",
        ),
        (
            "as a member",
            "user[api_key]=1",
            "user[api_key]=REDACTED",
            "user[api_key]=REDACTED",
            "user[api_key]=REDACTED",
        ),
    ] {
        for (policy, want) in [(&all, of_all), (&listed, of_listed), (&off, of_off)] {
            assert_eq!(query(policy, text).0, want, "{why}: {:?}", policy.query);
        }
    }
}

#[test]
fn a_name_is_known_in_every_spelling() {
    for name in [
        "Authorization",
        "proxy-authorization",
        "X-Auth",
        "Cookie",
        "set-cookie",
        "X-CSRF-Token",
        "id_token",
        "client_secret",
        "PASSWORD",
        "passwd",
        "X-Api-Key",
        "apikey",
        "api_key",
        "apiKey",
        "AWSAccessKeyId",
        "Signature",
        "sig",
        "X-Goog-Signature",
        "X-Amz-Credential",
        "JSESSIONID",
        "PHPSESSID",
        "session",
        "session-id",
        "sid",
        "x-goog-iap-jwt-assertion",
        "x-amzn-oidc-data",
        "user[password]",
        "WWW-Authenticate",
        "private_key",
        "pwd",
    ] {
        assert!(Policy::default().is_secret(name.as_bytes()), "{name}");
    }
    for name in [
        "x-request-id",
        "author",
        "authority",
        ":authority",
        "page",
        "key",
        "session.id",
        "signed",
        "design",
        "content-type",
        "code",
        "x-tenant",
        "",
        "residence",
    ] {
        assert!(!Policy::default().is_secret(name.as_bytes()), "{name}");
    }
    let more = Policy { names: names(&["X-Pin", "*_no"]), ..Policy::default() };
    assert!(more.is_secret(b"x_pin") && more.is_secret(b"Card-No") && more.is_secret(b"token"));
}

#[test]
fn the_built_in_names_are_plain_and_mean_what_patterns_mean() {
    let patterns = names(&BUILT);
    const BUILT: [&str; names::BUILT_IN.len()] = names::BUILT_IN;
    for name in BUILT {
        let bare = name.replace('*', "");
        assert_eq!(names::plain(bare.as_bytes()), bare.as_bytes());
        for around in [bare.clone(), format!("x{bare}"), format!("{bare}x"), format!("x{bare}x")] {
            let is_built_in = names::is_built_in(around.as_bytes());
            assert_eq!(is_built_in, patterns.hold(around.as_bytes()), "{around}");
        }
    }
    assert!(BUILT.is_sorted(), "as the documentation has them");
}

#[test]
fn what_is_dropped_leaves_no_trace() {
    let drop = Policy { mode: Mode::Drop, query_allow: names(&["a", "b"]), ..Policy::default() };
    for (text, want) in [
        ("token=1", ""),
        ("x=1&a=2&y=3&b=4&z=5", "a=2&b=4"),
        ("a=1;token=2&b=3", "a=1&b=3"),
        ("x=1&word", "word"),
    ] {
        assert_eq!(query(&drop, text).0, want, "{text}");
    }
    let mut counts = Counts::default();
    assert_eq!(drop.named(Place::Header, b"cookie", b"x", &mut counts), None);
    assert_eq!(counts.iter().collect::<Vec<_>>(), [(Place::Header, 1)]);
}

/// RFC 4231 has no key this short; the tokens are `openssl dgst -sha256 -hmac key`'s.
#[test]
fn a_token_is_the_same_for_the_same_value() {
    let policy = Policy { mode: hash(), ..Policy::default() };
    let fox = "The quick brown fox jumps over the lazy dog";
    assert_eq!(
        query(&policy, &format!("a={fox}&b=x&c=x")).0,
        format!("a={}&b={x}&c={x}", "f7bc83f430538424", x = X)
    );
    const X: &str = "4fc3b7eaf34d7e59";
    let mut counts = Counts::default();
    let header = policy.named(Place::Header, b"cookie", b"x", &mut counts).unwrap();
    assert_eq!(header, X.as_bytes(), "wherever it stands");
    let mut other = Vec::new();
    Key::new(b"another key").write_token(b"x", &mut other);
    assert_ne!(other, X.as_bytes());
    assert_eq!(format!("{:?}", policy.mode), "Hash(Key(..))", "no key in any log");
}

#[test]
fn userinfo_has_a_mask_of_its_own() {
    let written = |mode: Mode, authority: &[u8]| {
        let (mut out, mut counts) = (Vec::new(), Counts::default());
        Policy { mode, ..Policy::default() }.write_userinfo(authority, &mut out, &mut counts);
        (String::from_utf8(out).unwrap(), counts.iter().next())
    };
    let one = Some((Place::Userinfo, 1));
    assert_eq!(written(Mode::Mask, b"me:x@shop:80"), ("REDACTED:REDACTED@".to_owned(), one));
    assert_eq!(written(Mode::Drop, b"me:x@shop"), (String::new(), one));
    assert_eq!(written(hash(), b"x@shop"), ("4fc3b7eaf34d7e59@".to_owned(), one));
    assert_eq!(written(Mode::Mask, b"shop:80"), (String::new(), None));
    assert_eq!(url::without_userinfo(b"a@b@shop"), b"shop");
}

#[test]
fn a_value_that_is_a_url_keeps_its_secrets() {
    for (why, value, want) in [
        (
            "a whole one",
            "https://me:x@shop:80/a?b=1#c",
            "https://REDACTED:REDACTED@shop:80/a?b=REDACTED",
        ),
        ("without a path", "http://x@shop?b=1", "http://REDACTED:REDACTED@shop?b=REDACTED"),
        ("a path", "/a;jsessionid=1/b;v=2?c=1", "/a;jsessionid=REDACTED/b;v=2?c=REDACTED"),
        ("a fragment", "/cb#access_token=1", "/cb"),
        ("a relative one", "cb?token=1", "cb?token=REDACTED"),
        ("in other text", "0; url=https://shop/?b=1", "0; url=https://shop/?b=REDACTED"),
        ("none", "tenant #7, who? a=b", "tenant #7, who? a=b"),
        ("no text", "", ""),
    ] {
        let mut counts = Counts::default();
        let got = Policy::default().named(Place::Header, b"x", value.as_bytes(), &mut counts);
        assert_eq!(String::from_utf8(got.unwrap()).unwrap(), want, "{why}");
    }
}

proptest! {
    /// Whatever stands around it, and whichever way it is encoded.
    #[test]
    fn no_value_of_a_secret_name_is_told(
        before in "[a&;=%/?]{0,9}", encoded in prop::collection::vec(any::<bool>(), 5),
        after in "[a;=%/?]{0,9}", mode in 0..3_usize, which in 0..3_usize,
    ) {
        let name: String = "Token".chars().zip(encoded)
            .map(|(it, encoded)| if encoded { format!("%{:02x}", u32::from(it)) } else { it.to_string() })
            .collect();
        let policy = Policy {
            query: [Query::All, Query::Listed, Query::Off][which],
            mode: [Mode::Mask, Mode::Drop, hash()][mode].clone(),
            query_allow: names(&["*"]),
            ..Policy::default()
        };
        let text = format!("{before}&{name}=SECRET{after}&b=2");
        let (got, count) = query(&policy, &text);
        prop_assert!(!got.contains("SECRET"), "{got}");
        prop_assert!(count > 0 && got.ends_with("b=2"));
    }

    #[test]
    fn any_bytes_can_be_redacted(value: Vec<u8>, mode in 0..3_usize) {
        let mode = [Mode::Mask, Mode::Drop, hash()][mode].clone();
        let policy = Policy { mode, query: Query::Listed, ..Policy::default() };
        let mut counts = Counts::default();
        policy.named(Place::Header, b"x", &value, &mut counts);
        policy.write_userinfo(&value, &mut Vec::new(), &mut counts);
        policy.named(Place::Header, &value, b"x", &mut counts);
    }
}

use super::super::tests::naive;
use super::*;
use proptest::prelude::*;

fn templates(texts: &[&str]) -> Templates {
    texts.iter().map(|it| it.parse::<Template>().unwrap()).collect()
}

fn check(why: &str, texts: &[&str], (method, path): (&str, &str), want: Option<&str>) {
    let templates = templates(texts);
    let found = templates.find(method.as_bytes(), path.as_bytes());
    assert_eq!(found.map(|it| &**it), want, "{why}");
    let texts: Vec<_> = texts.iter().map(|&it| it.to_owned()).collect();
    let naive = naive::find(&texts, method.as_bytes(), path.as_bytes());
    let naive = naive.map(|it| texts[it].rsplit(' ').next().unwrap());
    assert_eq!(naive, want, "{why}: the second reader");
}

#[test]
fn a_template_is_for_paths_like_it() {
    for (why, template, request, is_for) in [
        ("the same", "/cart", ("GET", "/cart"), true),
        ("its beginning", "/cart", ("GET", "/car"), false),
        ("more than it", "/cart", ("GET", "/cart/7"), false),
        ("a slash behind it", "/cart", ("GET", "/cart/"), false),
        ("another case", "/cart", ("GET", "/Cart"), false),
        ("the root", "/", ("GET", "/"), true),
        ("not all", "/", ("GET", "/cart"), false),
        ("its method", "GET /cart", ("GET", "/cart"), true),
        ("another", "GET /cart", ("POST", "/cart"), false),
        ("of the same letters", "GET /cart", ("get", "/cart"), false),
        ("any segment", "/users/{id}", ("GET", "/users/7"), true),
        ("of any bytes", "/users/{id}", ("GET", "/users/\u{fc}%2F.."), true),
        ("not an empty one", "/users/{id}", ("GET", "/users/"), false),
        ("nor two", "/users/{id}", ("GET", "/users/7/cart"), false),
        ("nor none", "/users/{id}", ("GET", "/users"), false),
        ("inside", "/users/{id}/cart", ("GET", "/users/7/cart"), true),
        ("any rest", "/files/*", ("GET", "/files/a/b//c"), true),
        ("an empty one", "/files/*", ("GET", "/files/"), true),
        ("but with its slash", "/files/*", ("GET", "/files"), false),
        ("everything", "/*", ("GET", "/"), true),
        ("but no path", "/*", ("OPTIONS", "*"), false),
        ("nor an authority", "/*", ("CONNECT", "shop:443"), false),
        ("empty segments are segments", "//a//", ("GET", "//a//"), true),
        ("each of them", "/a/", ("GET", "/a//"), false),
        ("what is encoded stays so", "/caf%C3%A9", ("GET", "/caf%C3%A9"), true),
        ("to the letter", "/caf%C3%A9", ("GET", "/caf%c3%a9"), false),
    ] {
        let path = template.rsplit(' ').next();
        check(why, &[template], request, path.filter(|_| is_for));
    }
}

#[test]
fn the_most_specific_template_counts() {
    let order = |first: &'static str, second: &'static str| [[first, second], [second, first]];
    for (why, [want, other], request) in [
        ("text before any", ["/users/me", "/users/{id}"], ("GET", "/users/me")),
        ("any before a rest", ["/users/{id}", "/users/*"], ("GET", "/users/7")),
        ("text before a rest", ["/users/me", "/*"], ("GET", "/users/me")),
        ("a longer text before a rest", ["/a/b/*", "/a/*"], ("GET", "/a/b/c")),
        ("what comes first, first", ["/a/{x}", "/{x}/b"], ("GET", "/a/b")),
        ("a method before all", ["PUT /users/{name}", "/users/{id}"], ("PUT", "/users/7")),
        ("but a path before a method", ["/users/me", "GET /users/{id}"], ("GET", "/users/me")),
        ("not one that does not fit", ["/users/{id}", "PUT /users/me"], ("GET", "/users/me")),
        ("nor one that fits at first", ["/{x}/b/c", "/a/b/d"], ("GET", "/a/b/c")),
        ("nor one that is too long", ["/a/*", "/a/b/c"], ("GET", "/a/b")),
    ] {
        for texts in order(want, other) {
            check(why, &texts, request, want.rsplit(' ').next());
        }
    }
}

#[test]
fn of_two_for_the_same_requests_the_first_counts() {
    let (a, b) = ("/users/{id}", "/users/{name}");
    check("one", &[a, b], ("GET", "/users/7"), Some(a));
    check("the other", &[b, a], ("GET", "/users/7"), Some(b));
    let of = |text: &str| text.parse::<Template>().unwrap();
    assert!(of(a).is_same_as(&of(b)) && of(a) != of(b));
    for other in ["/users/id", "/users/*", "GET /users/{id}", "/users/{id}/"] {
        assert!(!of(a).is_same_as(&of(other)), "{other}");
    }
}

#[test]
fn what_is_no_template_is_told() {
    use TemplateError as E;
    let deep = "/a".repeat(DEEPEST + 1);
    let deep_rest = format!("{}/*", "/a".repeat(DEEPEST));
    for (why, text, want) in [
        ("nothing", "", E::Path),
        ("no slash", "users", E::Path),
        ("a star alone", "*", E::Path),
        ("a method alone", "GET", E::Path),
        ("no path behind it", "GET ", E::Path),
        ("an URL", "https://shop/cart", E::Path),
        ("no method before the space", " /cart", E::Method),
        ("small letters", "get /cart", E::Method),
        ("two methods", "GET,PUT /cart", E::Method),
        ("two spaces", "GET  /cart", E::Path),
        ("a space behind", "/cart ", E::Method),
        ("a query", "/cart?x=1", E::Character),
        ("a fragment", "/cart#x", E::Character),
        ("a space in it", "GET /my cart", E::Character),
        ("what is to be encoded", "/caf\u{e9}", E::Character),
        ("a name with more", "/{id}.json", E::Brace),
        ("two names", "/{a}{b}", E::Brace),
        ("no name", "/{}", E::Brace),
        ("an open one", "/{id", E::Brace),
        ("a closed one", "/id}", E::Brace),
        ("a name of other signs", "/{a:b}", E::Brace),
        ("a star inside", "/a*", E::Star),
        ("in braces", "/{*}", E::Brace),
        ("not at the end", "/*/a", E::Star),
        ("with a slash behind", "/*/", E::Star),
        ("too many segments", &deep, E::Deep),
        ("with a rest", &deep_rest, E::Deep),
    ] {
        assert_eq!(text.parse::<Template>().err(), Some(want), "{why}");
    }
    let deepest = &deep[2..];
    check("the deepest", &[deepest], ("GET", deepest), Some(deepest));
    check("a deeper path", &[deepest], ("GET", &deep), None);
    let rest = &deep_rest[2..];
    check("a deeper path with a rest", &[rest], ("GET", &deep_rest), Some(rest));
}

proptest! {
    #[test]
    fn agrees_with_a_naive_reader(
        texts in prop::collection::vec("(A |B )?((/(a|b|\\{x\\}|)){1,4}|(/(a|b|\\{y\\})){0,3}/\\*)", 0..8),
        method in "[AB]",
        path in "(/[ab]?){1,5}",
    ) {
        let templates: Templates =
            texts.iter().map(|it| it.parse::<Template>().unwrap()).collect();
        let found = templates.find(method.as_bytes(), path.as_bytes());
        let naive = naive::find(&texts, method.as_bytes(), path.as_bytes());
        let want = naive.map(|it| texts[it].rsplit(' ').next().unwrap());
        prop_assert_eq!(found.map(|it| &**it), want);
    }

    #[test]
    fn a_template_is_written_as_it_was_read(text in "([A-Z_-]{1,3} )?(/([!-)+-.0-9<-~]{0,3}|\\{[a-z]\\}|\\*)){0,3}") {
        if let Ok(it) = text.parse::<Template>() {
            prop_assert_eq!(it.to_string(), text);
        }
    }
}

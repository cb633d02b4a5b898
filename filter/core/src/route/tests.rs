use super::*;

#[path = "../../fuzz/naive_route.rs"]
pub(super) mod naive;

fn routes(max_learned: usize) -> Routes {
    let patterns = ["GET /users/{id}".parse().unwrap()].into_iter().collect();
    Routes::new(Settings { patterns, max_learned, metadata: false })
}

fn told(routes: &mut Routes, method: &str, path: &str) -> Option<String> {
    let sought = routes.seek(method.as_bytes(), path.as_bytes());
    let route = routes.at_end(sought, || true)?;
    Some(String::from_utf8(route.text().to_vec()).unwrap())
}

#[test]
fn what_is_configured_is_not_learned() {
    let mut routes = routes(1);
    for (why, method, path, want) in [
        ("it is configured", "GET", "/users/7", Some("/users/{id}")),
        ("it is not, and there is room", "PUT", "/users/7", Some("/users/{number}")),
        ("there is none left", "GET", "/cart", Some("_other")),
        ("not for this either", "GET", "/users/me", Some("/users/{id}")),
        ("a query is no part of it", "GET", "/users/me?x=/", Some("/users/{id}")),
        ("nor is a fragment", "PUT", "/users/7#x", Some("/users/{number}")),
        ("no path", "OPTIONS", "*", None),
    ] {
        assert_eq!(told(&mut routes, method, path).as_deref(), want, "{why}");
    }
}

#[test]
fn learning_can_be_switched_off() {
    let mut routes = routes(0);
    assert_eq!(routes.seek(b"GET", b"/cart"), Sought::Nothing);
    assert_eq!(told(&mut routes, "GET", "/users/7").as_deref(), Some("/users/{id}"));
}

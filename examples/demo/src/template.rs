//! The proxies' configurations: readable files with a few `{{names}}` to fill in.

use std::fmt;
use std::path::Path;

use crate::mesh::{Ports, Proxy, Service};
use crate::sampling::Sampling;

const GATEWAY: &str = include_str!("../envoy/gateway.yaml");
const SIDECAR: &str = include_str!("../envoy/sidecar.yaml");

/// The whole configuration of one proxy.
pub(crate) fn config(
    proxy: Proxy,
    ports: Ports,
    sampling: Sampling,
    wasm: &Path,
) -> Result<String, TemplateError> {
    let mut values = vec![
        ("wasm".to_owned(), quoted(&wasm.to_string_lossy())),
        ("sampling".to_owned(), sampling.config()),
        ("admin_port".to_owned(), ports.admin(proxy).to_string()),
        ("collector_port".to_owned(), ports.collector().to_string()),
    ];
    let text = match proxy {
        Proxy::Gateway => {
            values.push(("listener_port".to_owned(), ports.gateway().to_string()));
            values.push(("shop_port".to_owned(), ports.inbound(Service::Shop).to_string()));
            GATEWAY
        }
        Proxy::Sidecar(service) => {
            values.push(("service".to_owned(), service.name().to_owned()));
            values.push(("app_port".to_owned(), ports.app(service).to_string()));
            values.push(("inbound_port".to_owned(), ports.inbound(service).to_string()));
            values.push(("outbound_port".to_owned(), ports.outbound(service).to_string()));
            // Nobody calls the shop but the gateway.
            for other in Service::ALL.into_iter().filter(|it| *it != Service::Shop) {
                values.push((format!("{}_port", other.name()), ports.inbound(other).to_string()));
            }
            SIDECAR
        }
    };
    fill(text, &values)
}

/// Puts values in the place of `{{names}}`. Comments are left as they are.
fn fill(text: &str, values: &[(String, String)]) -> Result<String, TemplateError> {
    let mut out = String::new();
    for line in text.split_inclusive('\n') {
        let mut rest = line;
        while let Some((before, after)) = rest.split_once("{{").filter(|_| !is_comment(line)) {
            let unknown = || TemplateError(line.trim().to_owned());
            let (name, after) = after.split_once("}}").ok_or_else(unknown)?;
            let (_, value) = values.iter().find(|(known, _)| known == name).ok_or_else(unknown)?;
            out += before;
            out += value;
            rest = after;
        }
        out += rest;
    }
    Ok(out)
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with('#')
}

/// The inside of a double-quoted YAML string.
fn quoted(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

/// A line of a template with a name that nobody fills in.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct TemplateError(String);

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the Envoy template has an unknown {{{{name}}}}: {}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fills_every_name_and_refuses_unknown_ones() {
        let values = [("a".to_owned(), "1".to_owned()), ("b".to_owned(), "2".to_owned())];
        for (why, text, want) in [
            ("nothing to fill", "x: y\n", Ok("x: y\n")),
            (
                "two in a line, also inside of YAML's braces",
                "{ p: {{a}}, q: {{b}} }",
                Ok("{ p: 1, q: 2 }"),
            ),
            ("a comment may speak of them", "# {{name}}\nx: {{a}}\n", Ok("# {{name}}\nx: 1\n")),
            ("unknown", "x: 1\ny: {{c}}\n", Err("y: {{c}}")),
            ("not closed", "y: {{a\n", Err("y: {{a")),
        ] {
            let want = want.map(str::to_owned).map_err(|line| TemplateError(line.to_owned()));
            assert_eq!(fill(text, &values), want, "{why}");
        }
    }

    #[test]
    fn every_proxy_gets_its_own_ports_and_name() {
        let ports = Ports::new(18_000);
        for proxy in Proxy::ALL {
            let text = config(proxy, ports, Sampling::RARE, Path::new("/a \"b\".wasm")).unwrap();
            assert!(text.contains(&format!("port_value: {} ", ports.admin(proxy))), "{text}");
            let sampled = text.matches("sampling: { ratio: 0.01, keep: { errors: true } }").count();
            assert_eq!(sampled, if proxy == Proxy::Gateway { 1 } else { 2 }, "{text}");
            assert!(text.contains(r#"filename: "/a \"b\".wasm""#), "{text}");
            let name = format!("service: {{ name: \"{}\" }}", proxy.name());
            let bare = name.replace('"', "");
            assert!(text.contains(&name) || text.contains(&bare), "{proxy}: {text}");
        }
    }
}

//! What OpenTelemetry's environment variables say where the document does not.
//!
//! What is not understood is said and ignored; an empty variable is an unset one.
//! Spec: <https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/>

use super::Surroundings;
use super::attributes::{self, OF_SDK};
use super::headers;
use super::key_values;
use super::keys::{Document, Injected};
use super::kind::{Words, number};
use super::reader::quoted;
use super::text::{Anything, LONGEST, Text};
use hopspan_core::encode::{Protocol, Value};
use hopspan_core::propagation::Format;
use hopspan_core::trust::Action;

/// The variables that are read.
pub const VARIABLES: [&str; 8] = [
    SERVICE_NAME,
    RESOURCE_ATTRIBUTES,
    HEADERS,
    PROTOCOL,
    PROPAGATORS,
    TRACES_SAMPLER,
    TRACES_SAMPLER_ARG,
    SDK_DISABLED,
];

const SERVICE_NAME: &str = "OTEL_SERVICE_NAME";
const RESOURCE_ATTRIBUTES: &str = "OTEL_RESOURCE_ATTRIBUTES";
const HEADERS: &str = "OTEL_EXPORTER_OTLP_HEADERS";
const PROTOCOL: &str = "OTEL_EXPORTER_OTLP_PROTOCOL";
const PROPAGATORS: &str = "OTEL_PROPAGATORS";
const TRACES_SAMPLER: &str = "OTEL_TRACES_SAMPLER";
const TRACES_SAMPLER_ARG: &str = "OTEL_TRACES_SAMPLER_ARG";
const SDK_DISABLED: &str = "OTEL_SDK_DISABLED";

/// Fills in what the document leaves open. Returns whether hopspan is switched on.
pub(super) fn fill(
    keys: &mut Document,
    around: &Surroundings<'_>,
    warnings: &mut Vec<String>,
) -> bool {
    let mut environment = Environment { around, warnings };
    environment.service_name(keys);
    environment.resource_attributes(keys);
    environment.headers(keys);
    environment.protocol(keys);
    environment.propagators(keys);
    environment.sampler(keys);
    environment.is_enabled()
}

struct Environment<'a> {
    around: &'a Surroundings<'a>,
    warnings: &'a mut Vec<String>,
}

impl Environment<'_> {
    fn get(&self, name: &str) -> Option<String> {
        (self.around.env)(name).filter(|it| !it.is_empty())
    }

    fn warn(&mut self, name: &str, what: &str) {
        self.warnings.push(format!("{name}: {what}; it is ignored"));
    }

    fn service_name(&mut self, keys: &mut Document) {
        const NAME: &str = SERVICE_NAME;
        let Some(name) = self.get(NAME) else { return };
        if !Text::<Anything>::allows(&name) {
            self.warn(NAME, "is longer than 1024 characters");
        } else if keys.service.value.name.value.is_none() {
            keys.service.value.name.value = Some(name);
        }
    }

    fn resource_attributes(&mut self, keys: &mut Document) {
        const NAME: &str = RESOURCE_ATTRIBUTES;
        let Some(list) = self.get(NAME) else { return };
        let pairs = match key_values::parse(&list) {
            Ok(pairs) => pairs,
            Err(error) => return self.warn(NAME, &error.to_string()),
        };
        let too_long = |it: &String| it.chars().count() > LONGEST;
        if pairs.iter().any(|(key, value)| too_long(key) || too_long(value)) {
            return self.warn(NAME, "has a key or a value of more than 1024 characters");
        }
        let others = &mut keys.resource_attributes.value;
        if others.len().saturating_add(pairs.len()) > attributes::MOST {
            return self.warn(NAME, "makes more than 128 resource attributes");
        }
        let service = &mut keys.service.value;
        for (key, value) in pairs {
            let own = match key.as_str() {
                "service.name" => &mut service.name,
                "service.namespace" => &mut service.namespace,
                "service.version" => &mut service.version,
                "service.instance.id" => &mut service.instance_id,
                _ if key.starts_with(OF_SDK) || others.iter().any(|(it, _)| *it == key) => continue,
                _ => {
                    others.push((key, Value::Text(value)));
                    continue;
                }
            };
            if own.value.is_none() && !value.is_empty() {
                own.value = Some(value);
            }
        }
    }

    fn headers(&mut self, keys: &mut Document) {
        const NAME: &str = HEADERS;
        let Some(list) = self.get(NAME) else { return };
        let pairs = match key_values::parse(&list) {
            Ok(pairs) => pairs,
            Err(error) => return self.warn(NAME, &error.to_string()),
        };
        let mut fields = Vec::new();
        for ((name, value), number) in pairs.iter().zip(1..) {
            match headers::field(name, value) {
                Ok(field) => fields.push(field),
                Err(fault) => return self.warn(NAME, &format!("member {number} {fault}")),
            }
        }
        let written = &mut keys.collector.value.headers.value;
        if written.len().saturating_add(fields.len()) > headers::MOST {
            return self.warn(NAME, "makes more than 64 headers");
        }
        for (name, value) in fields {
            if !written.iter().any(|(it, _)| *it == name) {
                written.push((name, value));
            }
        }
    }

    /// Zipkin's format has no word there, and gRPC would need trailers of callouts' answers.
    ///
    /// Spec: <https://opentelemetry.io/docs/specs/otel/protocol/exporter/#specify-protocol>
    fn protocol(&mut self, keys: &mut Document) {
        const NAME: &str = PROTOCOL;
        let Some(written) = self.get(NAME) else { return };
        let word = written.to_ascii_lowercase();
        let spoken = <Protocol as Words>::ALL.iter().find(|(it, _)| *it == word);
        let protocol = &mut keys.collector.value.protocol;
        match spoken {
            Some((_, spoken)) if *spoken != Protocol::ZipkinJson => {
                if !protocol.written {
                    protocol.value = *spoken;
                }
            }
            _ => {
                let found = quoted(&written);
                self.warn(
                    NAME,
                    &format!("must be \"http/protobuf\" or \"http/json\", not {found}"),
                );
            }
        }
    }

    /// The same formats are read and written, as in a service; what else of them came in is
    /// preserved.
    ///
    /// Spec: <https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/#general-sdk-configuration>,
    /// <https://opentelemetry.io/docs/specs/otel/context/api-propagators/#b3-requirements>
    /// (whoever reads one form of B3 reads both, the single header first)
    fn propagators(&mut self, keys: &mut Document) {
        const NAME: &str = PROPAGATORS;
        let Some(list) = self.get(NAME) else { return };
        let (mut extract, mut inject) = (Vec::new(), Vec::new());
        let mut is_none = false;
        for word in list.split(',').map(str::trim).filter(|it| !it.is_empty()) {
            match (word, <Format as Words>::ALL.iter().find(|(it, _)| *it == word)) {
                // Baggage always passes.
                ("baggage", _) => {}
                ("none", _) => is_none = true,
                (_, Some((_, format))) => {
                    let both = [Format::B3, Format::B3Multi];
                    let read = if both.contains(format) { &both[..] } else { &[*format][..] };
                    let new = |it: &&Format| !extract.contains(*it);
                    extract.extend(read.iter().filter(new).copied().collect::<Vec<_>>());
                    inject.retain(|it| *it != Injected::Format(*format));
                    inject.push(Injected::Format(*format));
                }
                _ => {
                    let known = <Format as Words>::ALL.iter().map(|(it, _)| format!("{it}, "));
                    let (known, found) = (known.collect::<String>(), quoted(word));
                    self.warn(NAME, &format!("{found} is none of {known}baggage, none"));
                }
            }
        }
        if is_none && !inject.is_empty() {
            return self.warn(NAME, "has none beside others");
        }
        if inject.is_empty() && !is_none {
            return;
        }
        if !is_none {
            inject.push(Injected::Preserve);
        }
        let propagation = &mut keys.propagation.value;
        if !propagation.extract.written {
            propagation.extract.value = extract;
        }
        if !propagation.inject.written {
            propagation.inject.value = inject;
        }
    }

    /// Spec: <https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/#general-sdk-configuration>
    fn sampler(&mut self, keys: &mut Document) {
        const NAME: &str = TRACES_SAMPLER;
        let Some(sampler) = self.get(NAME).map(|it| it.to_ascii_lowercase()) else { return };
        // A sampler that is not based on the parent does what `ignore_sampling` says.
        let (kind, parent_based) = match sampler.strip_prefix("parentbased_") {
            Some(kind) => (kind, true),
            None => (sampler.as_str(), false),
        };
        let ratio = match kind {
            "always_on" => 1.0,
            "always_off" => 0.0,
            "traceidratio" => self.ratio(),
            _ => {
                let found = quoted(&sampler);
                let known = "[parentbased_]always_on, always_off or traceidratio";
                return self.warn(NAME, &format!("must be {known} in this version, not {found}"));
            }
        };
        let (written, trust) = (&mut keys.sampling.value.ratio, &mut keys.trust.value.default);
        if !written.written {
            written.value = ratio;
        }
        if !parent_based && !trust.written {
            trust.value = Some(Action::IgnoreSampling);
        }
    }

    fn ratio(&mut self) -> f64 {
        const NAME: &str = TRACES_SAMPLER_ARG;
        const DEFAULT: f64 = 1.0;
        let Some(written) = self.get(NAME) else { return DEFAULT };
        let ratio = number(written.trim()).filter(|it| (0.0..=1.0).contains(it));
        ratio.unwrap_or_else(|| {
            self.warn(NAME, &format!("must be 0 to 1, not {}", quoted(&written)));
            DEFAULT
        })
    }

    fn is_enabled(&mut self) -> bool {
        const NAME: &str = SDK_DISABLED;
        match self.get(NAME) {
            Some(it) if it.eq_ignore_ascii_case("true") => false,
            Some(it) if !it.eq_ignore_ascii_case("false") => {
                self.warn(NAME, &format!("must be true or false, not {}", quoted(&it)));
                true
            }
            _ => true,
        }
    }
}

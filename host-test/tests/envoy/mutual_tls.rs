//! Mutual TLS: an authority, certificates that name workloads, and the transport sockets of
//! proxies that use them.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, SanType};
use serde_json::{Value, json};

/// Who signs the certificates of a mesh.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    /// A new one, which nobody knows yet.
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "authority");
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// Its own certificate.
    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// The transport socket of a listener that is known by the name of its host.
    pub(crate) fn downstream_of(&self, host: &str) -> Value {
        let name = SanType::DnsName(host.try_into().unwrap());
        let context = json!({ "tls_certificates": [self.certificate(name)] });
        socket("DownstreamTlsContext", context)
    }

    /// The transport socket of a listener. Clients need no certificate, but this authority's if
    /// they have one.
    pub(crate) fn downstream(&self) -> Value {
        let context = json!({
            "tls_certificates": [self.of_workload("spiffe://mesh.test/server")],
            "validation_context": { "trusted_ca": { "inline_string": self.0.pem() } },
        });
        socket("DownstreamTlsContext", context)
    }

    /// The transport socket of a cluster, for the workload that this URI names; without one
    /// there is no client certificate. Whom it calls is not looked at.
    pub(crate) fn upstream(&self, workload: Option<&str>) -> Value {
        let certificates: Vec<_> = workload.iter().map(|it| self.of_workload(it)).collect();
        let context = json!({ "tls_certificates": certificates });
        socket("UpstreamTlsContext", context)
    }

    /// Spec: <https://github.com/spiffe/spiffe/blob/main/standards/X509-SVID.md#2-spiffe-id>
    fn of_workload(&self, workload: &str) -> Value {
        self.certificate(SanType::URI(workload.try_into().unwrap()))
    }

    fn certificate(&self, name: SanType) -> Value {
        let mut params = CertificateParams::default();
        // Not the authority's own name: that would be a certificate that signs itself.
        params.distinguished_name.push(DnType::CommonName, "workload");
        params.subject_alt_names.push(name);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        json!({
            "certificate_chain": { "inline_string": certificate.pem() },
            "private_key": { "inline_string": key.serialize_pem() },
        })
    }
}

fn socket(kind: &str, context: Value) -> Value {
    let kind = format!("type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.{kind}");
    json!({ "name": "tls", "typed_config": { "@type": kind, "common_tls_context": context } })
}

//! TLS: who vouches that a server is the host it is called by. That keeps others from listening and meddling; what a
//! server says is judged by the chain hash all the same.

use std::sync::{Arc, LazyLock};

use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto::ring};

/// The authorities whose certificates are accepted.
#[derive(Clone, Debug)]
pub struct Authorities(Arc<ClientConfig>);

impl Authorities {
    /// Mozilla's, which are built in, so that verdicts do not depend on the machine; read at first use, since most use on
    /// the loopback needs none.
    pub fn built_in() -> Authorities {
        static BUILT_IN: LazyLock<Authorities> = LazyLock::new(|| Authorities::of(mozilla()));
        BUILT_IN.clone()
    }

    /// Those of a PEM text besides. The error says what is wrong with it.
    pub fn with_pem(pem: &[u8]) -> Result<Authorities, String> {
        let mut roots = mozilla();
        let before = roots.len();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|error| error.to_string())?;
            roots.add(certificate).map_err(|error| error.to_string())?;
        }
        if roots.len() == before {
            return Err("there is no certificate in it, which would begin with -----BEGIN CERTIFICATE-----".into());
        }
        Ok(Authorities::of(roots))
    }

    fn of(roots: RootCertStore) -> Authorities {
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("the ring provider supports the versions that rustls calls safe");
        let mut config = builder.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Authorities(Arc::new(config))
    }

    pub(super) fn config(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.0)
    }
}

fn mozilla() -> RootCertStore {
    RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() }
}

//! Why there is no connection, in words for those who can change it.

use std::error::Error as _;

use async_nats::rustls::{self, AlertDescription};
use async_nats::{ConnectError, ConnectErrorKind, ServerError};

use super::NatsOptions;
use super::login::Login;
use crate::{Error, ErrorKind};

/// What it means that `address` could not be connected to.
pub(super) fn not_connected(
    address: &str,
    options: &NatsOptions,
    login: Login,
    error: ConnectError,
) -> Error {
    let refused = |why: &str| {
        let reason = format!("`{address}` does not let us in: {why}");
        Error::from(ErrorKind::Refused { reason })
    };
    if let Some(tls) = tls(&error) {
        let advice = advice(tls, options.certificate.is_some());
        return refused(&format!("TLS failed ({tls}): {advice}"));
    }
    if let Some(ServerError::Other(said)) = said(&error) {
        return refused(said);
    }
    match error.kind() {
        ConnectErrorKind::AuthorizationViolation | ConnectErrorKind::Authentication => {
            refused(login.advice())
        }
        ConnectErrorKind::Tls => refused(&format!("{error}: check the certificates")),
        ConnectErrorKind::ServerParse
        | ConnectErrorKind::Dns
        | ConnectErrorKind::TimedOut
        | ConnectErrorKind::Io
        | ConnectErrorKind::MaxReconnects => {
            let text = format!("no NATS server answers at `{address}`: {error}");
            Error::new(ErrorKind::Disconnected, text)
        }
    }
}

/// What went wrong with the encryption; it arrives inside an error of input and output.
fn tls(error: &ConnectError) -> Option<&rustls::Error> {
    let io = error.source()?.downcast_ref::<std::io::Error>()?;
    io.get_ref()?.downcast_ref()
}

fn said(error: &ConnectError) -> Option<&ServerError> {
    error.source()?.downcast_ref()
}

fn advice(error: &rustls::Error, shows_certificate: bool) -> &'static str {
    use AlertDescription::{BadCertificate, CertificateRequired};
    if matches!(error, rustls::Error::InvalidCertificate(_)) {
        return "give the CA that signed its certificate, and connect to a name that stands in it";
    }
    if let rustls::Error::AlertReceived(alert) = error {
        if shows_certificate {
            return "it refuses our certificate";
        }
        // Servers of different age say so with different alerts.
        if matches!(alert, CertificateRequired | BadCertificate) {
            return "it demands a client certificate";
        }
    }
    if matches!(error, rustls::Error::InvalidMessage(_)) {
        return "it does not speak TLS at once there";
    }
    "check the certificates"
}

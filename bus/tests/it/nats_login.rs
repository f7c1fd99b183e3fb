//! How we say who we are, on real servers: certificates, keys, tokens and whole operators.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use gearshift_bus::{Appended, Bus, Change, ErrorKind, NatsOptions, PrivateServer};
use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use tempfile::TempDir;

use crate::nats_jwt::Operator;
use crate::world::{Outcome, patient, server};

type Made<T> = Result<T, Box<dyn std::error::Error>>;

/// An authority, and files of what it signed.
struct Authority {
    dir: TempDir,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Made<Self> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate()?;
        let certificate = params.self_signed(&key)?;
        let authority = Self { dir: tempfile::tempdir()?, issuer: Issuer::new(params, key) };
        std::fs::write(authority.ca(), certificate.pem())?;
        Ok(authority)
    }

    fn ca(&self) -> PathBuf {
        self.dir.path().join("ca.pem")
    }

    /// The files of a certificate for `host` and of its key.
    fn sign(&self, host: &str, use_: ExtendedKeyUsagePurpose) -> Made<(PathBuf, PathBuf)> {
        let mut params = CertificateParams::new(vec![host.to_owned()])?;
        params.extended_key_usages = vec![use_];
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        let path = |kind: &str| self.dir.path().join(format!("{host}.{kind}"));
        std::fs::write(path("pem"), certificate.pem())?;
        std::fs::write(path("key"), key.serialize_pem())?;
        Ok((path("pem"), path("key")))
    }

    /// A server with a certificate for `host`; `more` goes into its block about TLS.
    async fn server(&self, host: &str, more: &str) -> Made<PrivateServer> {
        let (certificate, key) = self.sign(host, ExtendedKeyUsagePurpose::ServerAuth)?;
        let files =
            format!("cert_file: {certificate:?}, key_file: {key:?}, ca_file: {:?}", self.ca());
        Ok(server(&format!("tls {{ {files}, {more} }}")).await)
    }
}

fn encrypted(server: &PrivateServer) -> String {
    format!("tls://127.0.0.1:{}", server.port())
}

/// The reason that a refused connection gives; it names the server.
async fn refused(options: &NatsOptions, server: &PrivateServer) -> String {
    let error = patient(Bus::connect(options)).await.unwrap_err();
    let ErrorKind::Refused { reason } = error.kind() else { panic!("{error:?}") };
    assert!(reason.contains(&format!("`127.0.0.1:{}`", server.port())), "{reason}");
    reason.clone()
}

/// Does what needs permissions of every kind.
async fn works(options: &NatsOptions) -> Outcome {
    let bus = patient(Bus::connect(options)).await?;
    let log = bus.log("journal-0").await?;
    let last = log.tail().await?.last;
    for sequence in last..last + 20 {
        let appended = log.append(sequence, Bytes::from_static(b"frame")).await?;
        assert_eq!(appended, Appended::Stored(sequence + 1));
    }
    assert!(log.read_from(1, 1 << 20).await?.len() >= 20, "in bulk");
    let bucket = bus.bucket("b").await?;
    let mut watch = bucket.watch("").await?;
    bucket.put("k", Bytes::from_static(b"v")).await?;
    let told = patient(watch.next()).await;
    assert!(matches!(&told, Some(Change::Put { key, .. }) if key == "k"), "{told:?}");
    let blobs = bus.blobs("s").await?;
    let digest = blobs.put(Bytes::from(vec![7; 300_000])).await?;
    assert_eq!(blobs.get(&digest).await?.map(|bytes| bytes.len()), Some(300_000));
    Ok(())
}

#[tokio::test]
async fn our_authority_is_trusted_and_no_other() -> Outcome {
    let authority = Authority::new()?;
    let server = authority.server("127.0.0.1", "").await?;
    let mut options = NatsOptions::new(&encrypted(&server));
    options.ca = Some(authority.ca());
    works(&options).await?;
    // The server tells that it wants TLS, whatever the address says.
    options.servers = format!("nats://127.0.0.1:{}", server.port());
    works(&options).await?;
    let other = Authority::new()?;
    options.ca = Some(other.ca());
    let reason = refused(&options, &server).await;
    assert!(reason.contains("TLS failed") && reason.contains("give the CA"), "{reason}");
    options.ca = None;
    let reason = refused(&options, &server).await;
    assert!(reason.contains("TLS failed"), "the system does not trust it: {reason}");
    Ok(())
}

#[tokio::test]
async fn a_certificate_for_another_host_is_refused() -> Outcome {
    let authority = Authority::new()?;
    let server = authority.server("elsewhere.example", "").await?;
    let mut options = NatsOptions::new(&encrypted(&server));
    options.ca = Some(authority.ca());
    let reason = refused(&options, &server).await;
    assert!(reason.contains("TLS failed") && reason.contains("name"), "{reason}");
    Ok(())
}

#[tokio::test]
async fn a_server_without_tls_is_refused_where_tls_is_asked_for() -> Outcome {
    let server = server("").await;
    for tls_first in [false, true] {
        let mut options = NatsOptions::new(&encrypted(&server));
        options.tls_first = tls_first;
        let reason = refused(&options, &server).await;
        assert!(reason.contains("TLS"), "{reason}");
    }
    Ok(())
}

#[tokio::test]
async fn a_demanded_client_certificate_has_to_be_the_authoritys() -> Outcome {
    let authority = Authority::new()?;
    let server = authority.server("127.0.0.1", "verify: true").await?;
    let mut options = NatsOptions::new(&encrypted(&server));
    options.ca = Some(authority.ca());
    let reason = refused(&options, &server).await;
    assert!(reason.contains("client certificate"), "{reason}");
    let (certificate, key) = authority.sign("ann", ExtendedKeyUsagePurpose::ClientAuth)?;
    (options.certificate, options.key) = (Some(certificate), Some(key));
    works(&options).await?;
    let other = Authority::new()?;
    let (certificate, key) = other.sign("ann", ExtendedKeyUsagePurpose::ClientAuth)?;
    (options.certificate, options.key) = (Some(certificate), Some(key));
    let reason = refused(&options, &server).await;
    assert!(reason.contains("refuses our certificate"), "{reason}");
    Ok(())
}

#[tokio::test]
async fn the_handshake_may_come_before_the_greeting() -> Outcome {
    let authority = Authority::new()?;
    let server = authority.server("127.0.0.1", "handshake_first: true").await?;
    let mut options = NatsOptions::new(&encrypted(&server));
    options.ca = Some(authority.ca());
    options.tls_first = true;
    works(&options).await?;
    options.tls_first = false;
    options.connect_timeout = Duration::from_millis(600);
    let error = patient(Bus::connect(&options)).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Disconnected, "it waits for us, and we for it");
    Ok(())
}

#[tokio::test]
async fn unusable_login_files_are_named() -> Outcome {
    let authority = Authority::new()?;
    let (certificate, key) = authority.sign("ann", ExtendedKeyUsagePurpose::ClientAuth)?;
    let missing = Path::new("/no/such/file").to_owned();
    type Set = fn(&mut NatsOptions, PathBuf);
    let files: [(Set, PathBuf, &str); 8] = [
        (|options, path| options.ca = Some(path), missing.clone(), "`/no/such/file`"),
        (|options, path| options.ca = Some(path), key.clone(), "holds no certificate"),
        (|options, path| options.credentials = Some(path), missing.clone(), "`/no/such/file`"),
        (|options, path| options.credentials = Some(path), key.clone(), "credentials file"),
        (|options, path| options.nkey = Some(path), missing, "`/no/such/file`"),
        (|options, path| options.nkey = Some(path), key.clone(), "holds no seed"),
        (|options, path| options.certificate = Some(path), certificate, "key is missing"),
        (|options, path| options.key = Some(path), key, "certificate is missing"),
    ];
    for (set, path, said) in files {
        let mut options = NatsOptions::new("nats://127.0.0.1:1");
        set(&mut options, path);
        let error = Bus::connect(&options).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Refused { .. }), "{error:?}");
        assert!(error.to_string().contains(said), "{error}");
    }
    Ok(())
}

#[tokio::test]
async fn an_nkey_that_the_server_does_not_know_is_refused() -> Outcome {
    let (known, stranger) = (nkeys::KeyPair::new_user(), nkeys::KeyPair::new_user());
    let users = format!("authorization {{ users: [ {{ nkey: {} }} ] }}", known.public_key());
    let server = server(&users).await;
    let dir = tempfile::tempdir()?;
    let mut options = NatsOptions::new(server.url());
    options.nkey = Some(dir.path().join("ann.nk"));
    std::fs::write(dir.path().join("ann.nk"), stranger.seed()?)?;
    let reason = refused(&options, &server).await;
    assert!(reason.contains("check the nkey"), "{reason}");
    std::fs::write(dir.path().join("ann.nk"), known.seed()?)?;
    works(&options).await
}

#[tokio::test]
async fn credentials_of_an_operators_account_let_us_in() -> Outcome {
    let operator = Operator::new()?;
    let server = server(&operator.configuration()?).await;
    let dir = tempfile::tempdir()?;
    let mut options = NatsOptions::new(server.url());
    options.credentials = Some(dir.path().join("ann.creds"));
    std::fs::write(dir.path().join("ann.creds"), operator.credentials()?)?;
    works(&options).await?;
    let stranger = Operator::new()?;
    std::fs::write(dir.path().join("ann.creds"), stranger.credentials()?)?;
    let reason = refused(&options, &server).await;
    assert!(reason.contains("check the credentials file"), "{reason}");
    options.credentials = None;
    let reason = refused(&options, &server).await;
    assert!(reason.contains("wants a login"), "{reason}");
    Ok(())
}

#[tokio::test]
async fn a_wrong_login_says_which_one_was_refused() -> Outcome {
    let server = server("authorization { token: sesame }").await;
    let mut options = NatsOptions::new(server.url());
    options.token = Some("wrong-secret".to_owned());
    let token = refused(&options, &server).await;
    options.token = None;
    options.user = Some("ann".to_owned());
    let user = refused(&options, &server).await;
    options.user = None;
    options.servers = server.url().replace("://", "://ann:wrong-secret@");
    let address = refused(&options, &server).await;
    assert!(token.contains("check the token"), "{token}");
    assert!(user.contains("check user and password"), "{user}");
    assert!(address.contains("check the login in the address"), "{address}");
    assert!(!token.contains("secret") && !address.contains("secret"), "{token} {address}");
    // An option wins over the address.
    options.token = Some("sesame".to_owned());
    works(&options).await
}

const ANN: &str = r#"authorization { users: [ { user: ann, password: x, permissions: {
    publish: [ "$JS.API.>", "gearshift.>", "$KV.>", "$O.>" ], subscribe: "_INBOX_ann.>" } } ] }"#;

#[tokio::test]
async fn replies_arrive_where_we_are_allowed_to_hear_them() -> Outcome {
    let server = server(ANN).await;
    let mut options = NatsOptions::new(server.url());
    options.user = Some("ann".to_owned());
    options.password = Some("x".to_owned());
    let reason = refused(&options, &server).await;
    assert!(reason.contains("`_INBOX.>`") && reason.contains("inbox prefix"), "{reason}");
    options.inbox_prefix = Some("_INBOX_ann".to_owned());
    works(&options).await
}

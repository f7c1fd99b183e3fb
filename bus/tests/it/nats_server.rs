//! What a private server promises, and what connecting to a server that does not fit says.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

use bytes::Bytes;
use gearshift_bus::{Bus, ErrorKind, NatsOptions, PrivateServer, ServerError, ServerOptions};

use crate::world::{Outcome, connect, patient, server};

const CHILD: &str = "GEARSHIFT_BUS_TEST_HOLDS_A_SERVER";

/// Everything that a failed connection says, in one line.
async fn refusal(options: &NatsOptions) -> (ErrorKind, String) {
    let error = patient(Bus::connect(options)).await.unwrap_err();
    let source = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
    (error.kind().clone(), format!("{error}: {source}"))
}

#[tokio::test]
async fn c3_a_server_that_is_not_there_is_named() -> Outcome {
    let (url, port) = {
        let gone = server("").await;
        (gone.url().to_owned(), gone.port())
    };
    let (kind, text) = refusal(&NatsOptions::new(&url)).await;
    assert_eq!(kind, ErrorKind::Disconnected);
    assert!(text.contains(&format!("127.0.0.1:{port}")), "{text}");
    Ok(())
}

#[tokio::test]
async fn c3_a_wrong_login_is_told_and_never_shown() -> Outcome {
    let server = server("authorization { user: ann, password: \"r@ight\" }").await;
    let mut options = NatsOptions::new(server.url());
    let (kind, text) = refusal(&options).await;
    assert!(matches!(kind, ErrorKind::Refused { .. }), "{text}");
    assert!(text.contains("wants a login"), "{text}");
    options.user = Some("ann".to_owned());
    options.password = Some("wrong-secret".to_owned());
    let (kind, text) = refusal(&options).await;
    assert!(matches!(kind, ErrorKind::Refused { .. }), "{text}");
    assert!(text.contains("password") && !text.contains("wrong-secret"), "{text}");
    assert!(!format!("{options:?}").contains("wrong-secret"));
    options.password = Some("r@ight".to_owned());
    Bus::connect(&options).await?.close().await?;
    let in_address = server.url().replace("://", "://ann:r%40ight@");
    Bus::connect(&NatsOptions::new(&in_address)).await?;
    Ok(())
}

#[tokio::test]
async fn a_token_may_stand_in_the_address() -> Outcome {
    let server = server("authorization { token: sesame }").await;
    let in_address = server.url().replace("://", "://sesame@");
    let bus = Bus::connect(&NatsOptions::new(&in_address)).await?;
    let report = bus.server().await?.unwrap();
    assert!(!report.host.contains("sesame"), "{}", report.host);
    let mut options = NatsOptions::new(server.url());
    options.token = Some("sesame".to_owned());
    Bus::connect(&options).await?;
    Ok(())
}

#[tokio::test]
async fn an_nkey_is_read_from_its_file() -> Outcome {
    // A pair made for this test.
    let seed = "SUAA7XXEECJLUUR7RCV7HOXVGC33KWVJPBKWKLG5UP2AM4YCTBDZJWSTZQ";
    let public = "UDFHG4MM3GIP3T3YOMS7YYVHJWRSTVSMGCI6FBS37FZV4ASCUGROMJQ7";
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("ann.nk");
    std::fs::write(&path, "not a seed\n")?;
    let server = server(&format!("authorization {{ users: [ {{ nkey: {public} }} ] }}")).await;
    let mut options = NatsOptions::new(server.url());
    options.nkey = Some(path.clone());
    let (kind, text) = refusal(&options).await;
    assert!(matches!(kind, ErrorKind::Refused { .. }), "{text}");
    assert!(text.contains("ann.nk") && text.contains("holds no seed"), "{text}");
    std::fs::write(&path, format!("-----BEGIN USER NKEY SEED-----\n{seed}\n------END\n"))?;
    Bus::connect(&options).await?;
    Ok(())
}

#[tokio::test]
async fn c3_a_server_without_jetstream_is_told() -> Outcome {
    let mut options = ServerOptions::default();
    options.without_jetstream = true;
    let server = PrivateServer::start(options).await?;
    let (kind, text) = refusal(&NatsOptions::new(server.url())).await;
    assert!(matches!(kind, ErrorKind::Refused { .. }), "{text}");
    assert!(text.contains("has no JetStream") && text.contains("switch it on"), "{text}");
    Ok(())
}

#[tokio::test]
async fn c3_an_account_without_jetstream_is_told() -> Outcome {
    let accounts = "accounts { PLAIN { users: [ { user: ann, password: x } ] } }";
    let server = server(accounts).await;
    let mut options = NatsOptions::new(server.url());
    options.user = Some("ann".to_owned());
    options.password = Some("x".to_owned());
    let (kind, text) = refusal(&options).await;
    assert!(matches!(kind, ErrorKind::Refused { .. }), "{text}");
    assert!(text.contains("has no JetStream"), "{text}");
    Ok(())
}

#[tokio::test]
async fn what_is_no_address_is_refused() -> Outcome {
    for text in ["", " , ", "http://127.0.0.1:4222", "nats://127.0.0.1:port"] {
        let (kind, said) = refusal(&NatsOptions::new(text)).await;
        assert!(matches!(kind, ErrorKind::Refused { .. }), "`{text}`: {said}");
    }
    Ok(())
}

#[tokio::test]
async fn the_first_of_several_servers_may_be_down() -> Outcome {
    let gone = server("").await.url().to_owned();
    let server = server("").await;
    let both = format!("{gone}, {}", server.url());
    let bus = Bus::connect(&NatsOptions::new(&both)).await?;
    assert_eq!(bus.server().await?.unwrap().name, server.name());
    Ok(())
}

fn is_older(version: &str, other: &str) -> bool {
    let numbers =
        |text: &str| text.split('.').map(|n| n.parse::<u32>().unwrap()).collect::<Vec<_>>();
    numbers(version) < numbers(other)
}

#[tokio::test]
async fn the_report_names_the_server() -> Outcome {
    let server = server("").await;
    let report = connect(&server).await?.server().await?.unwrap();
    assert_eq!(report.name, server.name());
    assert_eq!(report.version, server.version());
    assert_eq!(report.host, format!("127.0.0.1:{}", server.port()));
    assert_eq!((report.replicas, report.cluster), (1, None));
    assert_eq!(report.max_payload, 9 * 1024 * 1024);
    let lacks = [("2.10.0", 3), ("2.11.0", 1), ("2.15.0", 1)];
    let lacks = lacks.iter().filter(|(since, _)| is_older(server.version(), since));
    let expected: usize = lacks.map(|(_, count)| count).sum();
    assert_eq!(report.missing.len(), expected, "{:?}", report.missing);
    assert!(report.missing.iter().all(|one| one.starts_with(server.version())));
    Ok(())
}

#[tokio::test]
async fn streams_outlive_their_server() -> Outcome {
    let dir = tempfile::tempdir()?;
    let mut server = PrivateServer::start(ServerOptions::in_dir(dir.path())).await?;
    let (name, url, pid) = (server.name().to_owned(), server.url().to_owned(), server.pid());
    let bus = connect(&server).await?;
    bus.log("l").await?.append(0, Bytes::from_static(b"1")).await?;
    server.terminate().await?;
    server.restart().await?;
    assert_eq!((server.name(), server.url()), (name.as_str(), url.as_str()));
    assert_ne!(server.pid(), pid);
    assert_eq!(patient(bus.log("l")).await?.tail().await?.last, 1);
    drop(server);
    let server = PrivateServer::start(ServerOptions::in_dir(dir.path())).await?;
    let log = connect(&server).await?.log("l").await?;
    assert_eq!(log.tail().await?.last, 1);
    Ok(())
}

#[tokio::test]
async fn a_paused_server_answers_nothing_until_it_goes_on() -> Outcome {
    let server = server("").await;
    let log = connect(&server).await?.log("l").await?;
    server.pause().await?;
    let asking = tokio::time::timeout(Duration::from_millis(300), log.tail()).await;
    assert!(asking.is_err(), "{asking:?}");
    server.resume().await?;
    assert_eq!(patient(log.tail()).await?.last, 0);
    Ok(())
}

#[tokio::test]
async fn a_missing_program_is_told() {
    let mut options = ServerOptions::default();
    options.program = Some("/no/such/nats-server".into());
    let error = PrivateServer::start(options).await.unwrap_err();
    assert!(matches!(error, ServerError::Missing(_)), "{error}");
    assert!(error.to_string().contains("`/no/such/nats-server`"), "{error}");
}

#[tokio::test]
async fn a_server_that_does_not_start_quotes_its_log() {
    let mut options = ServerOptions::default();
    options.config = "max_payload: nonsense".to_owned();
    let error = PrivateServer::start(options).await.unwrap_err();
    assert!(matches!(error, ServerError::Start(_)), "{error}");
    assert!(error.to_string().contains("server.conf:"), "{error}");
    let taken = server("").await;
    let mut options = ServerOptions::default();
    options.port = taken.port();
    let error = PrivateServer::start(options).await.unwrap_err();
    assert!(error.to_string().contains("address already in use"), "{error}");
}

#[tokio::test]
async fn a_temporary_directory_goes_with_its_server() {
    let server = server("").await;
    let dir = server.dir().to_owned();
    assert!(dir.join("jetstream").is_dir());
    drop(server);
    assert!(!dir.exists());
}

/// The test starts itself once more as a child process, told by an environment variable.
#[tokio::test]
async fn a_server_does_not_outlive_a_killed_process() -> Outcome {
    if std::env::var_os(CHILD).is_some() {
        let server = server("").await;
        let mut out = std::io::stdout();
        writeln!(out, "\nholds {} {}", server.pid(), server.dir().display())?;
        out.flush()?;
        // Until we are killed.
        std::io::stdin().read_exact(&mut [0])?;
        return Err("nobody killed the child".into());
    }
    let test = "nats_server::a_server_does_not_outlive_a_killed_process";
    let mut child = Command::new(std::env::current_exe()?)
        .args([test, "--exact", "--nocapture"])
        .env(CHILD, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = lines.map_while(Result::ok).find(|line| line.starts_with("holds ")).unwrap();
    let mut words = line.split(' ').skip(1);
    let (pid, dir) = (words.next().unwrap().to_owned(), words.next().unwrap().to_owned());
    let runs = || {
        let output = Command::new("ps").args(["-p", &pid, "-o", "args="]).output().unwrap();
        String::from_utf8_lossy(&output.stdout).contains(&dir)
    };
    assert!(runs(), "the child holds a server");
    child.kill()?;
    child.wait()?;
    patient(async {
        while runs() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    std::fs::remove_dir_all(dir)?;
    Ok(())
}

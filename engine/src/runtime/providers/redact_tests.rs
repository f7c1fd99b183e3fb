//! Row P7: secrets in the texts of failures.

use super::*;

fn kept(text: &str) -> String {
    redacted(text, false).into_owned()
}

#[test]
fn p7_every_pattern_is_one() {
    assert_eq!(KINDS.len(), 9);
    assert!(CUT_LOGIN.is_some());
}

#[test]
fn p7_what_looks_like_a_secret_is_hidden_and_what_is_around_it_stays() {
    for (text, expected) in [
        ("login failed: password=hunter2 at line 7", "login failed: password=*** at line 7"),
        ("DB_PASSWORD: swordfish, host: db", "DB_PASSWORD: ***, host: db"),
        (r#"{"password":"two words","n":1}"#, r#"{"password":"***","n":1}"#),
        (r#"{"password":"a\"b","n":1}"#, r#"{"password":"***","n":1}"#),
        (
            r#""{\"client_secret\":\"two words\",\"n\":1}""#,
            r#""{\"client_secret\":\"***\",\"n\":1}""#,
        ),
        ("GET /v1?token=abc&page=2", "GET /v1?token=***&page=2"),
        ("api-key: 1f8a93bd02", "api-key: ***"),
        ("Authorization: Bearer abc", "Authorization: Bearer ***"),
        ("authorization=Basic dXNlcjpwYXNz;", "authorization=Basic ***;"),
        (
            r#"headers {"Authorization": "Bearer abc.def"}"#,
            r#"headers {"Authorization": "Bearer ***"}"#,
        ),
        ("sent bearer 0123456789abcdef twice", "sent bearer *** twice"),
        ("no way to nats://ann:s3cr3t@bus:4222/x", "no way to nats://***@bus:4222/x"),
        ("postgres://ann:p@ss@db/x?y=a@b", "postgres://***@db/x?y=a@b"),
        ("no way to ann:s3cr3t@bus:4222, twice", "no way to ***@bus:4222, twice"),
        ("as \"ann:p@ss@db.example.org\"", "as \"***@db.example.org\""),
        ("Set-Cookie: sid=8f3a; Path=/; HttpOnly", "Set-Cookie: ***; HttpOnly"),
        ("sent cookie: a=1; b=2 and more", "sent cookie: *** and more"),
        (r#"{"Set-Cookie":"sid=8f3a; Path=/"}"#, r#"{"Set-Cookie":"***"}"#),
        ("password: 'hunter2', again", "password: '***', again"),
        ("key AKIAIOSFODNN7EXAMPLE is unknown", "key *** is unknown"),
        (
            "-----BEGIN RSA PRIVATE KEY----- MIIE -----END RSA PRIVATE KEY----- at f()",
            "-----BEGIN RSA PRIVATE KEY-----*** RSA PRIVATE KEY----- at f()",
        ),
        ("-----BEGIN PRIVATE KEY-----\nMIIE\n", "-----BEGIN PRIVATE KEY-----***"),
    ] {
        assert_eq!(kept(text), expected);
    }
}

#[test]
fn p7_words_of_a_sentence_are_no_secrets() {
    for text in [
        "unexpected token: expected `}` at line 3",
        "the bearer token is missing",
        "basic validation failed",
        "password: required",
        "password: must have 8 characters",
        "user name and password: Invalid.",
        r#"{"password":"required"}"#,
        "passphrase: null, secret: not set",
        "to:ann@example.org, from mailto:bob@example.org",
        "pull of nginx:1.25@sha256:0123456789abcdef failed",
        "no cookie: the session is new",
        "git@example.org:a/b.git is no repository",
        "see https://example.org/a@b and ann@example.org",
        "http://127.0.0.1:8080 answered 503",
        "the secretary and the passwords are gone",
        "",
    ] {
        assert_eq!(kept(text), text);
    }
}

#[test]
fn p7_what_was_json_still_is() {
    use serde_json::{Value, json};

    let hidden = json!("***");
    for (value, left) in [
        (json!("hunter2"), &hidden),
        (json!("a \"quoted\" one\\"), &hidden),
        (json!(""), &hidden),
        (json!(1234), &hidden),
        (json!(["abc", 7]), &hidden),
        (json!({"value": "abc"}), &hidden),
        (json!(null), &Value::Null),
        (json!(true), &json!(true)),
        (json!("required"), &json!("required")),
        (json!([]), &hidden),
    ] {
        let said = json!({"at": [1, {"password": value}], "n": 1});
        let expected = json!({"at": [1, {"password": left}], "n": 1});
        let pretty = serde_json::to_string_pretty(&said).unwrap();
        for text in [said.to_string(), pretty, said.to_string().replace(':', " : ")] {
            let text = kept(&text);
            assert_eq!(serde_json::from_str::<Value>(&text).ok(), Some(expected.clone()), "{text}");
        }
        // JSON in a text of JSON.
        let within = json!({"body": said.to_string()}).to_string();
        let outer: Value = serde_json::from_str(&kept(&within)).unwrap();
        assert!(!outer.to_string().contains("hunter2"), "{outer}");
    }
}

#[test]
fn p7_notes_of_heartbeats_have_no_secrets_either() {
    let note = |text: &str| redacted_beat(Heartbeat::new(2, Some(40), text));
    let beat = note("asked https://ann:s3cr3t@scan/7 with token=abc");
    assert_eq!((beat.attempt, beat.percent), (2, Some(40)));
    assert_eq!(beat.note, "asked https://***@scan/7 with token=***");
    assert_eq!(note("page 4 of 10").note, "page 4 of 10");
    let cut = note(&format!("{} nats://ann:{}", "x".repeat(200), "s3cr3t".repeat(20))).note;
    assert!(cut.ends_with("nats://***…"), "{cut}");
}

#[test]
fn p7_a_login_that_was_cut_is_hidden() {
    let text = "at nats://ann:s3cr3t";
    assert_eq!(kept(text), text, "it may as well be a host and its port");
    assert_eq!(redacted(text, true), "at nats://***");
}

#[test]
fn p7_whatever_is_around_it_a_secret_does_not_stay_and_nothing_is_hidden_twice() {
    const SHAPES: [(&str, &str); 7] = [
        ("password=", ""),
        ("\"apiKey\":\"", "\""),
        ("Authorization: Bearer ", ""),
        ("x-auth-token=", "&"),
        ("amqp://ann:", "@host"),
        ("-----BEGIN EC PRIVATE KEY-----", "-----END EC PRIVATE KEY-----"),
        ("bearer ", ""),
    ];
    let mut random = fastrand::Rng::with_seed(7);
    let alphabet = ['a', 'é', ' ', '"', ':', '=', '\\', '/', '@', '\'', '\n', '{', '8', '-'];
    for _ in 0..2_000 {
        let secret: String =
            (0..random.usize(12..40)).map(|_| random.alphanumeric()).collect::<String>() + "7";
        let noise = |random: &mut fastrand::Rng| -> String {
            (0..random.usize(..30)).map(|_| alphabet[random.usize(..alphabet.len())]).collect()
        };
        let (before, after) = SHAPES[random.usize(..SHAPES.len())];
        let (left, right) = (noise(&mut random), noise(&mut random));
        let text = format!("{left} {before}{secret}{after} {right}");
        let once = kept(&text);
        assert!(!once.contains(&secret), "{text:?} gave {once:?}");
        assert!(once.len() <= text.len(), "{text:?} gave {once:?}");
    }
}

#[test]
fn p7_the_longest_text_takes_no_time() {
    let began = crate::runtime::clock::monotonic();
    for unit in ["password=", "nats://a:", "eyJ.", "token: ", "-----BEGIN PRIVATE KEY-----", "\\\""]
    {
        redacted(&unit.repeat(8_192 / unit.len()), true);
    }
    assert!(began.elapsed() < std::time::Duration::from_secs(5), "{:?}", began.elapsed());
}

//! Row P7: secrets in the texts of failures.

use super::*;

fn kept(text: &str) -> String {
    redacted(text, false).into_owned()
}

#[test]
fn p7_every_pattern_is_one() {
    assert_eq!(KINDS.len(), 7);
    assert!(CUT_LOGIN.is_some());
}

#[test]
fn p7_what_looks_like_a_secret_is_hidden_and_what_is_around_it_stays() {
    for (text, expected) in [
        ("login failed: password=hunter2 at line 7", "login failed: password=*** at line 7"),
        ("DB_PASSWORD: swordfish, host: db", "DB_PASSWORD: ***, host: db"),
        (r#"{"password":"two words","n":1}"#, r#"{"password":***,"n":1}"#),
        (r#"{"password":"a\"b","n":1}"#, r#"{"password":***,"n":1}"#),
        (r#""{\"client_secret\":\"two words\",\"n\":1}""#, r#""{\"client_secret\":***,\"n\":1}""#),
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
        "see https://example.org/a@b and ann@example.org",
        "http://127.0.0.1:8080 answered 503",
        "the secretary and the passwords are gone",
        "",
    ] {
        assert_eq!(kept(text), text);
    }
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

//! Row P7: secrets in the texts of failures.

use super::*;

fn kept(text: &str) -> String {
    redacted(text, false).into_owned()
}

#[test]
fn p7_every_pattern_is_one() {
    assert_eq!(KINDS.len(), in_commands().len() + in_texts().len());
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
        (
            "Server=db;Password=P@ss;w0rd;Database=x;Uid=y",
            "Server=db;Password=***;Database=x;Uid=y",
        ),
        ("Password=P@ss;w0rd", "Password=***"),
        ("pwd=a&b,c at line 7", "pwd=*** at line 7"),
        ("{\"at\":\"Password=P@ss;w0rd\",\"n\":1}", "{\"at\":\"Password=***\",\"n\":1}"),
        (
            "AccountName=a;AccountKey=Zm9v+/8=;EndpointSuffix=core.example.org",
            "AccountName=a;AccountKey=***;EndpointSuffix=core.example.org",
        ),
        (
            "SharedAccessKeyName=all;SharedAccessKey=Zm9v=",
            "SharedAccessKeyName=all;SharedAccessKey=***",
        ),
        ("https://x/y?sv=1&sig=a%2Bb%3D&se=2", "https://x/y?sv=1&sig=***&se=2"),
        ("Ocp-Apim-Subscription-Key: 0a1b2c3d4e5f", "Ocp-Apim-Subscription-Key: ***"),
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
fn p7_secrets_of_command_lines_are_hidden_however_they_are_written() {
    for (text, expected) in [
        ("ran tool --password hunter2 --host db", "ran tool --password *** --host db"),
        ("ran tool --password=hunter2 -v", "ran tool --password=*** -v"),
        ("tool -password hunter2", "tool -password ***"),
        ("tool --db-password 'two words' x", "tool --db-password '***' x"),
        ("tool --api-key abc --session-id=4", "tool --api-key *** --session-id=***"),
        ("['tool', '--password', 'hunter2', 'x']", "['tool', '--password', '***', 'x']"),
        (r#"["tool","--token","abc","x"]"#, r#"["tool","--token","***","x"]"#),
        ("tool --pass hunter2; db_pass=x, pass=hunter2", "tool --pass *** db_pass=***, pass=***"),
        (r#"{"pass":"hunter2","n":1}"#, r#"{"pass":"***","n":1}"#),
        ("curl -s -u ann:hunter2 https://x/y", "curl -s -u *** https://x/y"),
        ("curl -uann:hunter2 x", "curl -u*** x"),
        ("curl -u 'ann:hunter2' x", "curl -u '***' x"),
        ("['curl', '-u', 'ann:hunter2', 'x']", "['curl', '-u', '***', 'x']"),
        ("tool --user ann:hunter2 --proxy-user=a:b", "tool --user *** --proxy-user=***"),
        ("mysqldump -uroot -phunter2 shop", "mysqldump -uroot -p*** shop"),
        ("mysql -u root -p'two words' shop", "mysql -u root -p'***' shop"),
        ("['mariadb-dump', '-phunter2', 'x']", "['mariadb-dump', '-p***', 'x']"),
        ("sshpass -p hunter2 ssh ann@h", "sshpass -p *** ssh ann@h"),
        ("redis-cli -h db -a hunter2 ping", "redis-cli -h db -a *** ping"),
        ("openssl rsa -passin pass:hunter2", "openssl rsa -passin pass:***"),
        ("key dop_v1_0123456789abcdef0123 is unknown", "key *** is unknown"),
    ] {
        assert_eq!(kept(text), expected);
    }
}

#[test]
fn p7_words_of_a_sentence_are_no_secrets() {
    for text in [
        "token=invalid, api_key=expired; password=missing",
        "GET /v1?token=expired&page=2",
        "ratio 3:4@5 pm",
        "user:order@warehouse, queue:mail-out@shop",
        "--password is required, and --token must be given",
        "--password, --api-key or --token: one of them",
        "--password -h db, --password-file /run/x",
        "pass=12 fail=0, first pass: done, bypass=yes, compass: north",
        "docker run -u 1000:1000 --user 0:0 -p8080:80 x; mysql -P3306 --port=1 -p shop",
        "date -u +%H:%M, curl -u https://x",
        "sort -u a:b",
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
        "sk-learn and sk-anticipation, task-ant-colony-optimization and risk-proj-evaluations",
        "npm_config_registry=here, AIzawa, hf_hub and SG.one.two are names",
        "the account key is missing; account-key: required",
        "signature: invalid, sig is no parameter",
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
    const SHAPES: [(&str, &str); 13] = [
        ("password=", ""),
        ("\"apiKey\":\"", "\""),
        ("Authorization: Bearer ", ""),
        ("x-auth-token=", "&"),
        ("amqp://ann:", "@host"),
        ("-----BEGIN EC PRIVATE KEY-----", "-----END EC PRIVATE KEY-----"),
        ("bearer ", ""),
        ("--password ", ""),
        ("'--api-key', '", "'"),
        ("pass=", ""),
        ("curl -u ann:", ""),
        ("mysql -p", ""),
        ("redis-cli -a ", ""),
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

/// Credentials as those who give them out make them: how they begin, of which letters they are, and
/// of how many.
const KNOWN: [(&str, &str, usize); 27] = [
    ("AKIA", UPPER, 16),
    ("ASIA", UPPER, 16),
    ("ghp_", LETTERS, 36),
    ("gho_", LETTERS, 36),
    ("ghs_", LETTERS, 36),
    ("github_pat_", WORD, 82),
    ("glpat-", DASHED, 20),
    ("gldt-", DASHED, 20),
    ("sk_live_", LETTERS, 24),
    ("rk_test_", LETTERS, 24),
    ("whsec_", LETTERS, 32),
    ("xoxb-", DASHED, 50),
    ("xapp-", DASHED, 50),
    ("AIza", DASHED, 35),
    ("ya29.", DASHED, 60),
    ("sk-ant-api03-", DASHED, 95),
    ("sk-proj-", DASHED, 48),
    ("sk-svcacct-", DASHED, 48),
    ("sk-", LETTERS, 48),
    ("hf_", LETTERS, 34),
    ("npm_", LETTERS, 36),
    ("pypi-", DASHED, 100),
    ("dckr_pat_", DASHED, 27),
    ("dop_v1_", "0123456789abcdef", 64),
    ("AccountKey=", BASE64, 86),
    ("SharedAccessKey=", BASE64, 43),
    ("?sv=1&sig=", BASE64, 43),
];
const UPPER: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const LETTERS: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
const WORD: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";
const DASHED: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
const BASE64: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/";

#[test]
fn p7_no_credential_of_a_known_form_stays_whatever_is_around_it() {
    let mut random = fastrand::Rng::with_seed(51);
    let around =
        [("", ""), ("key ", " is unknown"), ("\"", "\""), ("{\"k\":\"", "\"}"), ("(", ")")];
    let around =
        [&around[..], &[("a=", ";b=2"), ("k: ", ", n: 1"), ("`", "`"), ("\n", "\n")]].concat();
    for (begins, letters, many) in KNOWN {
        let letters: Vec<char> = letters.chars().collect();
        for (left, right) in &around {
            for _ in 0..20 {
                let body: String =
                    (0..many).map(|_| letters[random.usize(..letters.len())]).collect();
                let text = format!("{left}{begins}{body}{right}");
                let left = kept(&text);
                let parts = [0, many / 2].map(|at| &body[at..at + many / 2]);
                assert!(parts.iter().all(|part| !left.contains(part)), "{text:?} gave {left:?}");
            }
        }
    }
}

/// Words of our own and of those who write plugins, in any order, are what they were.
#[test]
fn p7_ordinary_words_stay_in_any_order() {
    const WORDS: [&str; 24] = [
        "the",
        "document",
        "is",
        "not",
        "valid:",
        "page",
        "4",
        "of",
        "10,",
        "token",
        "key",
        "secret",
        "expected",
        "`}`",
        "task-ant-7",
        "npm",
        "sk-learn",
        "signature",
        "account",
        "https://example.org/a?b=c;d",
        "order-2026-11-22",
        "retry=3;wait=5s",
        "password",
        "(503)",
    ];
    let mut random = fastrand::Rng::with_seed(52);
    for _ in 0..5_000 {
        let words: Vec<_> =
            (0..random.usize(1..12)).map(|_| WORDS[random.usize(..WORDS.len())]).collect();
        let text = words.join(" ");
        assert_eq!(kept(&text), text);
    }
}

#[test]
fn p7_the_longest_text_takes_no_time() {
    let began = crate::runtime::clock::monotonic();
    let units =
        ["password=", "nats://a:", "eyJ.", "token: ", "-----BEGIN PRIVATE KEY-----", "\\\""];
    let more = ["pwd=a;", "pwd=a;b", ";b", "sk-ant-", "mysql ", "--password ", "curl -u "];
    for unit in [&units[..], &more].concat() {
        redacted(&unit.repeat(8_192 / unit.len()), true);
    }
    assert!(began.elapsed() < std::time::Duration::from_secs(5), "{:?}", began.elapsed());
}

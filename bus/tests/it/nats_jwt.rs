//! [`Operator`]: keys and signed claims of an operator with one account, made for one test.

use nkeys::KeyPair;
use serde_json::{Value, json};

type Made<T> = Result<T, nkeys::error::Error>;

/// An operator, the system account that servers need, and an account with one user.
pub struct Operator {
    operator: KeyPair,
    system: KeyPair,
    account: KeyPair,
    user: KeyPair,
}

impl Operator {
    pub fn new() -> Made<Self> {
        Ok(Self {
            operator: KeyPair::new_operator(),
            system: KeyPair::new_account(),
            account: KeyPair::new_account(),
            user: KeyPair::new_user(),
        })
    }

    /// What a server has to be told that serves this operator.
    pub fn configuration(&self) -> Made<String> {
        let (system, account) = (self.system.public_key(), self.account.public_key());
        let claims = json!({ "type": "operator", "version": 2, "system_account": system });
        let operator = signed(&self.operator, "operator", &self.operator.public_key(), &claims)?;
        let limits = |streams: bool| {
            let mut limits = json!({ "subs": -1, "data": -1, "payload": -1, "imports": -1,
                "exports": -1, "wildcards": true, "conn": -1, "leaf": -1 });
            if streams {
                for limit in ["mem_storage", "disk_storage", "streams", "consumer"] {
                    limits[limit] = json!(-1);
                }
            }
            json!({ "type": "account", "version": 2, "limits": limits })
        };
        let system_jwt = signed(&self.operator, "system", &system, &limits(false))?;
        let account_jwt = signed(&self.operator, "account", &account, &limits(true))?;
        Ok(format!(
            "operator: {operator}\nsystem_account: {system}\nresolver: MEMORY\n\
             resolver_preload {{\n  {system}: {system_jwt}\n  {account}: {account_jwt}\n}}\n"
        ))
    }

    /// The user's credentials file.
    pub fn credentials(&self) -> Made<String> {
        let claims = json!({ "type": "user", "version": 2, "pub": {}, "sub": {}, "subs": -1,
            "data": -1, "payload": -1 });
        let jwt = signed(&self.account, "ann", &self.user.public_key(), &claims)?;
        Ok(format!(
            "-----BEGIN NATS USER JWT-----\n{jwt}\n------END NATS USER JWT------\n\n\
             -----BEGIN USER NKEY SEED-----\n{}\n------END USER NKEY SEED------\n",
            self.user.seed()?
        ))
    }
}

fn signed(issuer: &KeyPair, name: &str, subject: &str, nats: &Value) -> Made<String> {
    let head = json!({ "typ": "JWT", "alg": "ed25519-nkey" });
    let claims = json!({ "jti": format!("{:032x}", fastrand::u128(..)), "iat": 1_700_000_000,
        "iss": issuer.public_key(), "name": name, "sub": subject, "nats": nats });
    let text = format!("{}.{}", base64(&head), base64(&claims));
    let signature = issuer.sign(text.as_bytes())?;
    Ok(format!("{text}.{}", base64_of(&signature)))
}

fn base64(value: &Value) -> String {
    base64_of(value.to_string().as_bytes())
}

/// Base64 for addresses, without padding.
fn base64_of(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let byte = |at: usize| three.get(at).map_or(0, |byte| usize::from(*byte));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for at in 0..=three.len() {
            text.push(char::from(ALPHABET[bits >> (18 - 6 * at) & 63]));
        }
    }
    text
}

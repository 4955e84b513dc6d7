//! What is expected against what came.

use serde_json::Value;

/// Compares two values; what differs is added to `wrong`, a line each.
pub(super) fn values(path: &str, wanted: &Value, found: &Value, exact: bool, wrong: &mut Vec<String>) {
    let place = if path.is_empty() { "/" } else { path };
    match (wanted, found) {
        (Value::String(wanted), found) if is_wildcard(wanted) => {
            if !matches(wanted, found) {
                wrong.push(format!("{place} is {found}, which is not {wanted}"));
            }
        }
        (Value::String(wanted), Value::String(found)) if text(wanted, found) => {}
        (Value::Object(wanted), Value::Object(found)) => {
            for (name, wanted) in wanted {
                let path = format!("{path}/{name}");
                match found.get(name) {
                    Some(found) => values(&path, wanted, found, exact, wrong),
                    None if wanted == "{{absent}}" => {}
                    None => wrong.push(format!("{path} is missing; expected {wanted}")),
                }
            }
            let further = found.keys().filter(|name| exact && !wanted.contains_key(*name));
            wrong.extend(further.map(|name| format!("{path}/{name} was not expected")));
        }
        (Value::Array(wanted), Value::Array(found)) => {
            if wanted.len() != found.len() {
                wrong.push(format!("{place} has {} items, not {}", found.len(), wanted.len()));
            }
            for (n, (wanted, found)) in wanted.iter().zip(found).enumerate() {
                values(&format!("{path}/{n}"), wanted, found, exact, wrong);
            }
        }
        (Value::Number(wanted), Value::Number(found))
            if wanted == found || wanted.as_f64() == found.as_f64() => {}
        (wanted, found) if wanted == found => {}
        _ => wrong.push(format!("{place} is {found}, not {wanted}")),
    }
}

fn is_wildcard(text: &str) -> bool {
    matches!(
        text,
        "{{*}}"
            | "{{string}}"
            | "{{number}}"
            | "{{boolean}}"
            | "{{object}}"
            | "{{array}}"
            | "{{32hex}}"
            | "{{absent}}"
    )
}

fn matches(wildcard: &str, found: &Value) -> bool {
    match wildcard {
        "{{*}}" => true,
        "{{string}}" => found.is_string(),
        "{{number}}" => found.is_number(),
        "{{boolean}}" => found.is_boolean(),
        "{{object}}" => found.is_object(),
        "{{array}}" => found.is_array(),
        "{{32hex}}" => {
            found.as_str().is_some_and(|text| text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit()))
        }
        _ => false,
    }
}

/// Compares two texts; `{{*}}` within the wanted one stands for any characters.
pub(super) fn text(wanted: &str, found: &str) -> bool {
    let mut parts = wanted.split("{{*}}");
    let Some(mut rest) = parts.next().and_then(|first| found.strip_prefix(first)) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, between)) = parts.split_last() else { return rest.is_empty() };
    for part in between {
        match rest.split_once(part) {
            Some((_, behind)) => rest = behind,
            None => return false,
        }
    }
    rest.ends_with(last)
}

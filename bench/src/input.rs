//! Input from a seed: the same bytes in every run.

use std::fmt::Write as _;

/// A small generator of numbers (xorshift64*).
pub struct Dice(u64);

impl Dice {
    /// A generator with a seed other than zero.
    pub fn new(seed: u64) -> Self {
        Dice(seed.max(1))
    }

    /// A number below `n`.
    pub fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % n
    }

    fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }
}

const NAMES: [&str; 8] = [
    "Quai Sud",
    "Müller & Söhne",
    "Éts. Lefèvre",
    "Nordwind",
    "Casa Verde",
    "Ocean Trade",
    "Brûlerie du Port",
    "Łódź Tools",
];
const CITIES: [&str; 8] = ["Brest", "Lyon", "Köln", "Gdańsk", "Porto", "Genève", "Århus", "Limassol"];

/// Number of a customer.
pub fn number(n: usize) -> String {
    format!("ACR{n:010}")
}

/// Customers as a JSON array, 12 fields each, two of them references. In round 1 every second
/// customer has another city and phone number.
pub fn customers(count: usize, round: usize) -> String {
    let mut dice = Dice::new(42);
    let mut text = String::with_capacity(count * 330);
    text.push('[');
    for n in 0..count {
        let (name, city) = (dice.pick(&NAMES), dice.pick(&CITIES));
        let changed = if round > 0 && n % 2 == 0 { round } else { 0 };
        let comma = if n > 0 { "," } else { "" };
        let (post, phone, user, unit) =
            (dice.below(90_000) + 10_000, dice.below(1_000_000), dice.below(50), dice.below(20));
        let _ = write!(
            text,
            r#"{comma}{{"code":"C{n:06}","number":"{}","name":"{name} {n}","address1":"{} rue du Port","postal_code":"{post}","city":"{city}{}","phone_number":"+33 2 {:07}","email":"kontakt{n}@example.com","website":"www.c{n}.example","comment":"bench customer number {n}","discount_rate":{}.5,"user":"U{user}","unit":"B{unit}"}}"#,
            number(n),
            n % 200,
            if changed > 0 { format!(" {changed}") } else { String::new() },
            phone + changed,
            n % 30,
        );
    }
    text.push(']');
    text
}

/// One web event as the bulk call brings it.
pub struct WebEvent {
    /// The caller's id of the row.
    pub id: String,
    /// Number of the account; two in a hundred do not exist.
    pub account: String,
    /// When it happened.
    pub at: String,
    /// Reference in the caller's system.
    pub reference: String,
}

/// Web events of one call.
pub fn web_events(call: usize, rows: usize, customers: usize) -> Vec<WebEvent> {
    let mut dice = Dice::new(1_000 + call as u64);
    (0..rows)
        .map(|n| {
            let unknown = n % 50 == 17;
            let customer = dice.below(customers);
            WebEvent {
                id: format!("w{n}"),
                account: if unknown { format!("ACR9{customer:09}") } else { number(customer) },
                at: instant(&mut dice),
                reference: format!("{call}-{n}"),
            }
        })
        .collect()
}

/// A bulk call of web events.
pub fn web_call(token: &str, events: &[WebEvent]) -> String {
    let mut text = String::with_capacity(events.len() * 330);
    let _ = write!(text, r#"{{"token":"{token}","web_customer_events_set":["#);
    for (n, event) in events.iter().enumerate() {
        let comma = if n > 0 { "," } else { "" };
        let _ = write!(
            text,
            r#"{comma}{{"request_unique_identifier":"{}","accounts_receivable_identifier":{{"number":"{}"}},"performed_by_unit_identifier":{{"alternative_code":"S7"}},"performed_on":"{}","website":"shop.example","description":"visited the page of a product","external_system":"bench","external_system_reference_number":"{}"}}"#,
            event.id, event.account, event.at, event.reference
        );
    }
    text.push_str("]}");
    text
}

/// Events as NDJSON from `first` on.
pub fn event_lines(first: usize, count: usize, customers: usize) -> String {
    let mut dice = Dice::new(7 + first as u64);
    let mut text = String::with_capacity(count * 230);
    for n in first..first + count {
        let (customer, unit) = (dice.below(customers), dice.below(20));
        let at = instant(&mut dice);
        let _ = writeln!(
            text,
            r#"{{"kind":"WEB","customer":"C{customer:06}","unit":"B{unit}","occurred_at":"{at}Z","label":"visit {n}","website":"shop.example/{n}","status":"POSTED","external_system":"stream","external_reference":"{n}"}}"#
        );
    }
    text
}

fn instant(dice: &mut Dice) -> String {
    format!(
        "2026-{:02}-{:02}T{:02}:{:02}:{:02}",
        dice.below(12) + 1,
        dice.below(28) + 1,
        dice.below(24),
        dice.below(60),
        dice.below(60)
    )
}

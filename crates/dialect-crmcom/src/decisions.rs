//! What the vendor never published, and what we chose: change it here when a real trace shows
//! otherwise. What is published stands beside the code that needs it.

use crate::fault::Code;

/// Most bytes of a body, counted after decompression.
///
/// Source: crmcom §1.
pub const MOST_BODY_BYTES: u64 = 10 << 20;

/// How long a token is valid, used or not, in seconds. (Published; here because it is one number.)
///
/// Source: crmcom §4.4.
pub const TOKEN_LIFE_S: u64 = 7_200;

/// Most rows of a bulk call. (Published; what a call with more rows is told is our choice.)
///
/// Source: crmcom §6.1, §6.4.
pub const MOST_ROWS: usize = 1_000;

/// How many objects a list gives where the caller does not say.
///
/// Source: crmcom §5.3.
pub const LIST_DEFAULT: u32 = 1_000;

/// Most objects of one list; who asks for more is refused, for a shorter list would look complete.
///
/// Source: crmcom §5.3.
pub const LIST_MOST: u32 = 10_000;

/// Wrong pass codes of one identifier within a minute, after which it finds nothing for a while.
///
/// Source: crmcom §5.4.
pub const WRONG_PASS_CODES: u32 = 20;

/// State of an event that is valid. (Published.)
///
/// Source: crmcom §6.4.
pub const POSTED: &str = "POSTED";

/// State of an event that was taken back. (Published.)
///
/// Source: crmcom §7.5.
pub const CANCELLED: &str = "CANCELLED";

/// State of accounts and participants that no event may name.
///
/// Source: crmcom §6.4.
pub const TERMINATED: &str = "TERMINATED";

/// State of an access token that may stand for its participant. (Published.)
///
/// Source: crmcom §5.4.
pub const EFFECTIVE: &str = "EFFECTIVE";

/// Error codes with their fixed descriptions. Only the first is public.
///
/// Source: crmcom §3.2.
pub const CODES: [(Code, &str, &str); 11] = [
    (Code::NotFound, "NotFoundAPIValueException", "The specified API value was not found."),
    (Code::InvalidToken, "InvalidTokenException", "The specified token is not valid or has expired."),
    (Code::InvalidLogin, "InvalidLoginException", "The specified credentials are not valid."),
    (Code::InvalidRequest, "InvalidAPIRequestException", "The request could not be read."),
    (Code::Mandatory, "MandatoryAPIParameterException", "A mandatory API parameter was not specified."),
    (
        Code::SemiOptional,
        "SemiOptionalAPIParameterException",
        "Exactly one of the semi-optional API parameters should be specified.",
    ),
    (Code::InvalidValue, "InvalidAPIValueException", "The specified API value is not valid."),
    (Code::Duplicate, "DuplicateAPIValueException", "The specified API value already exists."),
    (Code::Maximum, "MaximumAPIValuesException", "The maximum number of API values was exceeded."),
    (Code::NotAllowed, "NotAllowedAPIActionException", "The action is not allowed."),
    (Code::General, "GeneralAPIException", "An unexpected error occurred."),
];

/// What stands for secrets where a row is kept as it was received.
///
/// Source: crmcom §3.2.
pub const MASK: &str = "***";

/// Members of bodies that are never kept.
///
/// Source: crmcom §3.2.
pub const SECRETS: [&str; 4] = ["token", "authentication_code", "pass_code", "one_time_password"];

/// When who sent too many wrong passwords may try again, in seconds.
pub const TRIES_RETRY_AFTER_S: u32 = 60;

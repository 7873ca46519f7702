//! What the server does in one step.

use std::sync::LazyLock;

use redis::{Cmd, cmd};

/// The room that is made for a call: a session of usual size fits.
const MOST_ARGUMENTS: usize = 9;
const MOST_BYTES: usize = 768;

/// A script, called by its hash.
pub(super) struct Script {
    code: &'static str,
    hash: String,
}

impl Script {
    fn new(code: &'static str) -> Self {
        let hash = redis::Script::new(code).get_hash().to_owned();
        Self { code, hash }
    }

    /// Calls the script by its hash, which a server that has never seen it refuses as `NOSCRIPT`.
    pub(super) fn call(&self) -> Cmd {
        let mut call = Cmd::with_capacity(MOST_ARGUMENTS, MOST_BYTES);
        call.arg("EVALSHA").arg(self.hash.as_bytes()).arg(1);
        call
    }

    /// Calls the script and sends it along: from then on the server knows it.
    pub(super) fn call_with_code(&self) -> Cmd {
        let mut call = cmd("EVAL");
        call.arg(self.code).arg(1);
        call
    }
}

/// Replaces a record whose version is the expected one: 1 where it did, 0 where it was not. 2 where the user's list
/// does not have the session for as long as the record is kept: nothing is written then.
///
/// `ARGV`: the expected version, the head of the record, the time to live, the bytes, and until when a list has the
/// session, or nothing where it may be what the record says.
pub(super) static REPLACE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local old = redis.call('GETRANGE', KEYS[1], 0, 55)
if string.sub(old, 2, 17) ~= ARGV[1] then return 0 end
local listed = ARGV[5]
if listed == '' then
  listed = '00000000000000'
  if string.sub(old, 26, 42) == string.sub(ARGV[2], 26, 42) then listed = string.sub(old, 43, 56) end
end
if string.byte(ARGV[2], 26) == 1 then
  local time = redis.call('TIME')
  if time[1] * 1000 + time[2] / 1000 + ARGV[3] > tonumber(listed) then return 2 end
end
redis.call('SET', KEYS[1], ARGV[2] .. listed .. ARGV[4], 'PX', ARGV[3])
return 1",
    )
});

/// Removes a record whose version is the expected one, and returns how many it removed.
pub(super) static REMOVE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "if redis.call('GETRANGE', KEYS[1], 1, 16) ~= ARGV[1] then return 0 end
return redis.call('UNLINK', KEYS[1])",
    )
});

/// Adds a session to a user's list, and returns until when it has it.
///
/// An entry has the moment it was made in it, so one that is looked at is never a newer one of the same session. Its
/// score is its end. `ARGV`: the session's key, and how long the list has it.
pub(super) static LIST: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local listed = now + ARGV[2]
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
redis.call('ZADD', KEYS[1], listed, ARGV[1] .. string.format('%013.0f', now))
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[2]) then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return string.format('%014.0f', listed)",
    )
});

/// Removes entries of a user's list whose records are not there, unless they are too young: a record is written after
/// its entry. `ARGV`: the least age, and the entries.
pub(super) static PRUNE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for at = 2, #ARGV do
  if tonumber(string.sub(ARGV[at], 17)) < now - ARGV[1] then redis.call('ZREM', KEYS[1], ARGV[at]) end
end
return 0",
    )
});

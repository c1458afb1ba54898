-- Version 1. Every statement can be repeated. Times are seconds since 1970 on the clock of the database.

create table if not exists zra_schema (version int not null);
insert into zra_schema select 1 where not exists (select 1 from zra_schema);

-- The configured limits of an account: two apps that name one account must mean the same one.
create table if not exists zra_account (account text primary key, plan text not null, identity text not null);

-- One label of an account. The row is replaced every 1000 updates: while a transaction elsewhere is open, the versions
-- of an updated row cannot be removed, and each reader would have to pass them all.
create table if not exists zra_limit (
  account text not null, label text not null, gen bigint not null default 1, uses int not null default 0,
  n int not null, period float8 not null, margin float8 not null,
  log float8[] not null,                    -- the n latest slots, the earliest first
  last float8 not null default 0,           -- when the next turn is
  at float8 not null default 0,             -- the time of the latest booking
  frozen_until float8 not null default 0, thawing bool not null default false, probe_until float8 not null default 0,
  owed int not null default 0,              -- interactive slots since the latest bulk slot
  held float8[] not null default '{}',      -- slots that are booked and kept for bulk
  bulk_wants float8 not null default 0,     -- until when bulk is known to wait
  foreign_calls float8 not null default 0, foreign_at float8 not null default 0, -- the part that other apps use
  claim_key bigint[] not null default '{}', claim_urgent bool[] not null default '{}', -- processes that wait
  claim_head float8[] not null default '{}', claim_count int[] not null default '{}', claim_due float8[] not null default '{}',
  primary key (account, label, gen)) with (fillfactor = 25);

create table if not exists zra_limit_day (
  account text not null, budget text not null, gen bigint not null default 1, uses int not null default 0,
  day float8 not null default 0, used int not null default 0, per_day int not null,
  ceiling int, ceiling_ends float8 not null default 0, closed_until float8 not null default 0,
  primary key (account, budget, gen)) with (fillfactor = 25);

create table if not exists zra_process (account text not null, process bigint not null, seen float8 not null,
  primary key (account, process));
create table if not exists zra_lease (account text not null, name text not null, owner text not null, until float8 not null,
  primary key (account, name));
create table if not exists zra_token (account text not null, owner text not null, version bigint not null default 1,
  content bytea not null, primary key (account, owner));

create or replace function zra_now() returns float8 language sql volatile as
  $$ select extract(epoch from clock_timestamp())::float8 $$;

-- Lock the latest row of a label.
create or replace function zra_locked(p_account text, p_label text) returns zra_limit language plpgsql as $$
declare b zra_limit;
begin
  loop
    select * into b from zra_limit where account = p_account and label = p_label order by gen desc limit 1 for update;
    exit when found;  -- otherwise the row was replaced while this transaction waited for it
    if not exists (select 1 from zra_limit where account = p_account and label = p_label) then
      raise exception 'no limit % of the account % is registered', p_label, p_account using errcode = 'ZR001';
    end if;
  end loop;
  return b;
end $$;

create or replace function zra_stored(b zra_limit) returns void language plpgsql as $$
begin
  if b.uses < 1000 then
    update zra_limit set uses = b.uses + 1, n = b.n, period = b.period, margin = b.margin, log = b.log, last = b.last, at = b.at,
      frozen_until = b.frozen_until, thawing = b.thawing, probe_until = b.probe_until, owed = b.owed, held = b.held,
      bulk_wants = b.bulk_wants, foreign_calls = b.foreign_calls, foreign_at = b.foreign_at, claim_key = b.claim_key,
      claim_urgent = b.claim_urgent, claim_head = b.claim_head, claim_count = b.claim_count, claim_due = b.claim_due
      where account = b.account and label = b.label and gen = b.gen;
  else
    delete from zra_limit where account = b.account and label = b.label and gen = b.gen;
    b.gen := b.gen + 1; b.uses := 0;
    insert into zra_limit select (b).*;
  end if;
end $$;

-- Lock the latest row of a daily budget, and begin a new day at midnight UTC.
create or replace function zra_locked_day(p_account text, p_budget text, p_now float8) returns zra_limit_day language plpgsql as $$
declare d zra_limit_day; today float8 := floor(p_now / 86400) * 86400;
begin
  loop
    select * into d from zra_limit_day where account = p_account and budget = p_budget order by gen desc limit 1 for update;
    exit when found or not exists (select 1 from zra_limit_day where account = p_account and budget = p_budget);
  end loop;
  if d.account is null then return null; end if;
  if d.ceiling is not null and p_now >= d.ceiling_ends then d.ceiling := null; end if;
  if today > d.day or today < d.day - 86400 then  -- a clock that is set back a little does not begin a day twice
    if d.ceiling is not null then d.ceiling := d.ceiling - d.used; end if;
    d.day := today; d.used := 0;
  end if;
  return d;
end $$;

create or replace function zra_stored_day(d zra_limit_day) returns void language plpgsql as $$
begin
  if d.uses < 1000 then
    update zra_limit_day set uses = d.uses + 1, day = d.day, used = d.used, per_day = d.per_day, ceiling = d.ceiling,
      ceiling_ends = d.ceiling_ends, closed_until = d.closed_until
      where account = d.account and budget = d.budget and gen = d.gen;
  else
    delete from zra_limit_day where account = d.account and budget = d.budget and gen = d.gen;
    d.gen := d.gen + 1; d.uses := 0;
    insert into zra_limit_day select (d).*;
  end if;
end $$;

-- The rate that is left beside other apps: slowly tried again at first, sooner the longer nothing was refused.
create or replace function zra_rate(b zra_limit, p_now float8) returns int language sql immutable as $$
  select greatest(1, b.n - ceil(greatest(0, b.foreign_calls - b.n * 0.05 * power(greatest(0, p_now - b.foreign_at) / 60, 2)))::int)
$$;

-- The earliest slot after p_now: fewer than the limit lie in any window that holds it, and its turn has come. The log
-- is sorted. Turns are a step apart, and a twelfth of the period may be caught up after a pause.
create or replace function zra_slot(b zra_limit, p_rate int, p_now float8, p_paced bool) returns float8 language sql immutable as $$
  select greatest(p_now, b.log[b.n - p_rate + 1] + b.period + b.margin,
    case when p_paced then b.last else 0 end)
$$;

create or replace function zra_logged(p_log float8[], p_slot float8) returns float8[] language sql immutable as $$
  select case when p_slot >= p_log[cardinality(p_log)] then p_log[2:] || p_slot
    else (select array_agg(x order by x) from unnest(p_log[2:] || p_slot) x) end
$$;

-- Book slots for the callers of one process: `p_urgent` and `p_bulk` say since when each of them waits. No slot is later
-- than the horizon. `p_from` and `p_to` correct earlier slots: to the time at which the call counts, or to 0 if it was
-- never sent. `p_expected` is when the process expects this statement to arrive, by its own steady clock.
create or replace function zra_book(p_account text, p_label text, p_budget text, p_process bigint,
    p_urgent float8[], p_bulk float8[], p_from float8[], p_to float8[], p_expected float8, p_horizon float8,
    out urgent float8[], out bulk float8[], out now_ float8, out again float8, out frozen float8, out next_ float8,
    out rate int, out probe bool, out closed float8, out used int, out per_day int, out jumped bool) language plpgsql as $$
declare
  b zra_limit; d zra_limit_day; s float8; i int; older float8; older_urgent float8; ahead int; left_ int := 2147483647;
  started float8; unsent int := 0; step float8; nu int := cardinality(p_urgent); nb int := cardinality(p_bulk);
  urgent_due float8; bulk_due float8; due_urgent float8;
begin
  perform set_config('synchronous_commit', 'off', true);  -- a booking need not survive a crash of the database
  b := zra_locked(p_account, p_label);
  now_ := zra_now(); urgent := '{}'; bulk := '{}'; again := now_; closed := 0; probe := false;
  for i in 1..cardinality(p_from) loop
    -- the slot that an unused one has replaced in the log was a period earlier at least, and may still count
    if array_position(b.log, p_from[i]) is not null then
      b.log[array_position(b.log, p_from[i])] := case when p_to[i] = 0 then p_from[i] - b.period - b.margin else p_to[i] end;
    end if;
    unsent := unsent + (p_to[i] = 0)::int;
  end loop;
  if cardinality(p_from) > 0 then select array_agg(x order by x) into b.log from unnest(b.log) x; end if;
  started := extract(epoch from pg_postmaster_start_time());
  if b.at > 0 and b.at < started then  -- the last bookings may have been lost in a crash
    b.frozen_until := greatest(b.frozen_until, started + b.period + b.margin);
  end if;
  -- a clock that was set says nothing about the slots before: all of them may be recent
  jumped := b.at > now_ + 0.25 or coalesce(extract(epoch from statement_timestamp()) > p_expected + 0.25, false);
  if jumped then
    b.log := array_fill(now_, array[b.n]); b.last := now_; b.held := '{}'; b.claim_due := array_fill(0::float8, array[cardinality(b.claim_due)]);
    b.frozen_until := least(b.frozen_until, now_ + b.period); b.probe_until := least(b.probe_until, now_ + 2);
    b.foreign_at := least(b.foreign_at, now_); b.bulk_wants := 0;
  end if;
  if p_budget is not null then
    d := zra_locked_day(p_account, p_budget, now_);
    d.used := greatest(0, d.used - unsent);
    left_ := greatest(0, least(d.per_day, coalesce(d.ceiling, d.per_day)) - d.used);
    if now_ < d.closed_until then left_ := 0; end if;
    per_day := d.per_day;
  end if;
  rate := zra_rate(b, now_); step := b.period / rate;
  -- forget what this process claimed, and who has not come when it was due
  select coalesce(array_agg(k), '{}'), coalesce(array_agg(u), '{}'), coalesce(array_agg(h), '{}'), coalesce(array_agg(c), '{}'), coalesce(array_agg(w), '{}')
    into b.claim_key, b.claim_urgent, b.claim_head, b.claim_count, b.claim_due
    from unnest(b.claim_key, b.claim_urgent, b.claim_head, b.claim_count, b.claim_due) q(k, u, h, c, w)
    where k <> p_process and w > now_ - 0.02;
  if now_ >= b.frozen_until and not (b.thawing and now_ < b.probe_until) then
    -- a slot is left to callers of other processes who wait longer, if these come for it in time
    select min(h), min(w) into older_urgent, due_urgent from unnest(b.claim_urgent, b.claim_head, b.claim_due) q(u, h, w) where u;
    select min(h) into older from unnest(b.claim_urgent, b.claim_head) q(u, h) where not u;
    for i in 1..nu loop
      exit when left_ <= 0;
      s := zra_slot(b, rate, now_, b.log[b.n] > now_);  -- a few callers go at once, unless others are booked ahead
      exit when p_urgent[i] > older_urgent + 0.02 and exists (select 1
        from unnest(b.claim_urgent, b.claim_head, b.claim_due) q(u, h, w) where u and h < p_urgent[i] - 0.02 and w <= s);
      if b.owed >= 9 and b.bulk_wants > now_ and s > now_ and s <= now_ + 3 * p_horizon then  -- this one is for bulk
        b.held := b.held || s; b.log := zra_logged(b.log, s); b.last := greatest(b.last, s - b.period / 12) + step; b.owed := 0;
        s := zra_slot(b, rate, now_, true);
      end if;
      exit when s > now_ + 3 * p_horizon;
      b.log := zra_logged(b.log, s); b.last := greatest(b.last, s - b.period / 12) + step; b.owed := b.owed + 1; left_ := left_ - 1; urgent := urgent || s;
      if b.thawing then b.probe_until := s + 2; probe := true; exit; end if;
    end loop;
    if not probe then
      for i in 1..nb loop
        exit when left_ <= 0;
        while b.held[1] < now_ loop b.held := b.held[2:]; end loop;
        if b.held[1] <= now_ + 3 * p_horizon then
          s := b.held[1]; b.held := b.held[2:];
        else
          s := zra_slot(b, rate, now_, true);
          exit when s > now_ + p_horizon;
          exit when cardinality(urgent) < nu or due_urgent <= s;  -- interactive callers come first
          exit when p_bulk[i] > older + 0.05 and exists (select 1
            from unnest(b.claim_urgent, b.claim_head, b.claim_due) q(u, h, w) where not u and h < p_bulk[i] - 0.05 and w <= s);
          b.log := zra_logged(b.log, s); b.last := greatest(b.last, s - b.period / 12) + step; b.owed := 0;
        end if;
        left_ := left_ - 1; bulk := bulk || s;
        if b.thawing then b.probe_until := s + 2; probe := true; exit; end if;
      end loop;
    end if;
  end if;
  next_ := greatest(zra_slot(b, rate, now_, true), b.frozen_until, case when b.thawing then b.probe_until else 0 end);
  if cardinality(urgent) < nu then
    urgent_due := greatest(now_ + 0.002, next_ - p_horizon);
    b.claim_key := b.claim_key || p_process; b.claim_urgent := b.claim_urgent || true;
    b.claim_head := b.claim_head || p_urgent[cardinality(urgent) + 1]; b.claim_count := b.claim_count || nu - cardinality(urgent);
    b.claim_due := b.claim_due || urgent_due;
  end if;
  if cardinality(bulk) < nb then
    b.bulk_wants := now_ + 0.3;
    select coalesce(sum(c), 0) into ahead from unnest(b.claim_urgent, b.claim_head, b.claim_count) q(u, h, c)
      where u or h < p_bulk[cardinality(bulk) + 1];
    s := coalesce(b.held[1], next_);
    bulk_due := least(greatest(now_ + 0.002, s - p_horizon / 3 + ahead * step), greatest(now_ + 0.25, s - p_horizon / 3));
    b.claim_key := b.claim_key || p_process; b.claim_urgent := b.claim_urgent || false;
    b.claim_head := b.claim_head || p_bulk[cardinality(bulk) + 1]; b.claim_count := b.claim_count || nb - cardinality(bulk);
    b.claim_due := b.claim_due || bulk_due;
  end if;
  again := coalesce(least(urgent_due, bulk_due), now_);
  frozen := case when b.thawing or b.frozen_until > now_ then b.frozen_until else 0 end;
  if b.at >= started or b.at = 0 or now_ >= b.frozen_until then b.at := now_; end if;
  perform zra_stored(b);
  if p_budget is not null then
    if left_ <= 0 then
      closed := case when now_ < d.closed_until then d.closed_until
        when d.ceiling is not null and d.used + cardinality(urgent) + cardinality(bulk) >= d.ceiling then d.ceiling_ends
        else d.day + 86400 end;
    end if;
    d.used := d.used + cardinality(urgent) + cardinality(bulk); used := d.used;
    perform zra_stored_day(d);
  end if;
end $$;

-- Grant nothing for so long, then one probe. A refusal by the second or minute tells how much other apps use.
create or replace function zra_freeze(p_account text, p_label text, p_seconds float8, p_refused bool) returns void language plpgsql as $$
declare b zra_limit; t float8; own int; use_ float8;
begin
  b := zra_locked(p_account, p_label); t := zra_now();
  if p_refused and t > b.foreign_at + least(b.period, 1.0) then  -- refusals that come together count once
    select count(*) into own from unnest(b.log) x where x > t - b.period and x <= t;
    use_ := b.n - zra_rate(b, t);
    b.foreign_calls := least(b.n - 1, greatest(use_ + ceil(0.05 * b.n), b.n - own + 1)); b.foreign_at := t;
  end if;
  b.frozen_until := greatest(b.frozen_until, t + p_seconds); b.thawing := true; b.probe_until := 0; b.at := t;
  perform zra_stored(b);
  perform pg_notify('zra_limit', json_build_object('a', p_account, 'l', p_label, 'u', b.frozen_until)::text);
end $$;

-- A call has succeeded: a freeze whose time is over ends for every process.
create or replace function zra_thaw(p_account text, p_label text) returns void language plpgsql as $$
declare b zra_limit;
begin
  b := zra_locked(p_account, p_label);
  if b.thawing and b.frozen_until <= zra_now() then
    b.thawing := false; b.probe_until := 0;
    perform zra_stored(b);
    perform pg_notify('zra_limit', json_build_object('a', p_account, 'l', p_label, 'u', 0)::text);
  end if;
end $$;

-- The probe ended without a verdict: let another one go.
create or replace function zra_unprobe(p_account text, p_label text) returns void language plpgsql as $$
declare b zra_limit;
begin
  b := zra_locked(p_account, p_label); b.probe_until := 0; perform zra_stored(b);
end $$;

-- Keep another limit from now on; slots that are not known any more count as the earliest that is.
create or replace function zra_adopt(p_account text, p_label text, p_n int) returns void language plpgsql as $$
declare b zra_limit;
begin
  b := zra_locked(p_account, p_label);
  if p_n <> b.n then
    if p_n < b.n then b.log := b.log[b.n - p_n + 1:]; else b.log := array_fill(b.log[1], array[p_n - b.n]) || b.log; end if;
    b.n := p_n; b.foreign_calls := least(b.foreign_calls, p_n - 1);
    perform zra_stored(b);
  end if;
end $$;

-- Count calls that were sent without a booking, and pause until every other process has had time to do so as well.
create or replace function zra_return(p_account text, p_label text, p_ago float8[]) returns void language plpgsql as $$
declare b zra_limit; t float8;
begin
  b := zra_locked(p_account, p_label); t := zra_now();
  select array_agg(x order by x) into b.log from
    (select x from (select unnest(b.log) union all select t - unnest(p_ago)) q(x) order by x desc limit b.n) r;
  b.frozen_until := greatest(b.frozen_until, t + least(b.period, 1.0)); b.at := t;
  perform zra_stored(b);
end $$;

-- What the service says about a day: its limit, and how much of it is left. `p_flying` calls have no answer yet.
create or replace function zra_learn_day(p_account text, p_budget text, p_limit int, p_remaining int, p_flying int, p_ends float8, p_closed float8)
    returns void language plpgsql as $$
declare d zra_limit_day;
begin
  d := zra_locked_day(p_account, p_budget, zra_now());
  if p_limit is not null then d.per_day := p_limit; end if;
  if p_remaining is not null then d.ceiling := d.used + p_remaining - p_flying; d.ceiling_ends := p_ends; end if;
  if p_closed is not null then d.closed_until := greatest(d.closed_until, p_closed); end if;
  perform zra_stored_day(d);
end $$;

-- Register the limits that a process has been configured with.
create or replace function zra_register(p_account text, p_label text, p_n int, p_period float8, p_margin float8, p_budget text, p_per_day int)
    returns void language plpgsql as $$
begin
  insert into zra_limit (account, label, n, period, margin, log)
    select p_account, p_label, p_n, p_period, p_margin, array_fill(0::float8, array[p_n])
    where not exists (select 1 from zra_limit where account = p_account and label = p_label)
    on conflict do nothing;
  if p_budget is not null then
    insert into zra_limit_day (account, budget, per_day)
      select p_account, p_budget, p_per_day
      where not exists (select 1 from zra_limit_day where account = p_account and budget = p_budget)
      on conflict do nothing;
  end if;
end $$;

-- Tell that a process is there, and return how many are.
create or replace function zra_beat(p_account text, p_process bigint, out processes int, out now_ float8) language plpgsql as $$
begin
  now_ := zra_now();
  insert into zra_process values (p_account, p_process, now_) on conflict (account, process) do update set seen = excluded.seen;
  delete from zra_process where account = p_account and seen < now_ - 60;
  select count(*) into processes from zra_process where account = p_account and abs(now_ - seen) < 15;
end $$;

-- Take or keep a lease: true when it is the owner's for so long.
create or replace function zra_leased(p_account text, p_name text, p_owner text, p_seconds float8) returns bool language plpgsql as $$
declare t float8 := zra_now();
begin
  insert into zra_lease values (p_account, p_name, p_owner, t + p_seconds)
    on conflict (account, name) do update set owner = excluded.owner, until = excluded.until
    where zra_lease.owner = p_owner or zra_lease.until < t or zra_lease.until > t + 3600;
  return exists (select 1 from zra_lease where account = p_account and name = p_name and owner = p_owner);
end $$;

-- Replace a token if it is still the version that was read; return the new version, null when it is another.
create or replace function zra_swap(p_account text, p_owner text, p_version bigint, p_content bytea) returns bigint language plpgsql as $$
declare v bigint;
begin
  if p_version = 0 then
    insert into zra_token (account, owner, content) values (p_account, p_owner, p_content) on conflict do nothing returning version into v;
  else
    update zra_token set content = p_content, version = version + 1
      where account = p_account and owner = p_owner and version = p_version returning version into v;
  end if;
  return v;
end $$;

-- Say with which limits an account is used; null, or with which others it is in use at the moment.
create or replace function zra_enter(p_account text, p_plan text, p_identity text, out other text) language plpgsql as $$
declare a zra_account;
begin
  insert into zra_account values (p_account, p_plan, p_identity) on conflict do nothing;
  select * into a from zra_account where account = p_account for update;
  if a.plan <> p_plan or (a.identity <> p_identity and a.identity <> '' and p_identity <> '') then
    if exists (select 1 from zra_process where account = p_account and seen > zra_now() - 60) then
      other := a.plan || case when a.identity = '' then '' else ', ' || a.identity end;
      return;
    end if;
    if a.identity <> '' and p_identity <> '' and a.identity <> p_identity then
      other := a.identity; return;
    end if;
    update zra_account set plan = p_plan where account = p_account;
    delete from zra_limit where account = p_account;
    delete from zra_limit_day where account = p_account;
  end if;
  if a.identity = '' then update zra_account set identity = p_identity where account = p_account; end if;
end $$;

create or replace function zra_leave(p_account text, p_process bigint) returns void language sql as
  $$ delete from zra_process where account = p_account and process = p_process $$;

create or replace function zra_token_of(p_account text, p_owner text, out version bigint, out content bytea) language sql as
  $$ select t.version, t.content from zra_token t where t.account = p_account and t.owner = p_owner $$;

-- Prove that a token can be written, before the old one is spent.
create or replace function zra_token_touched(p_account text, p_owner text) returns void language sql as
  $$ update zra_token set version = version where account = p_account and owner = p_owner $$;

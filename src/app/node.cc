#include "app/node.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "app/cold_places.h"
#include "app/config_access.h"
#include "app/run_on.h"
#include "app/spaces.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/units.h"
#include "http/client.h"
#include "http/client_certificate.h"

namespace forebay::app {
namespace {

/// "host:0" with the port that the system chose.
std::string with_port(const std::string& address, std::uint16_t port) {
  return fmt::format("{}:{}", address.substr(0, address.rfind(':')), port);
}

bool asks_for_any_port(const std::string& address) { return address.ends_with(":0"); }

} // namespace

node::node(config effective) : running_(std::move(effective)) {}

result<std::unique_ptr<node>> node::make(config effective) {
  std::unique_ptr<node> made(new node(std::move(effective)));
  const auto assembled = made->assemble();
  if (!assembled) return fail(assembled.error());
  return made;
}

result<void> node::assemble() {
  log::set_level(running_.node.log_level);
  storage::memory_tier_settings tier;
  tier.capacity_bytes = running_.node.memory_bytes;
  auto memory = storage::memory_tier::make(tier);
  if (!memory) return fail(memory.error());
  memory_ = std::move(*memory);
  open_disk();
  auto spaces = make_spaces(running_, disk_.get());
  if (!spaces) return fail(spaces.error());
  cache_ = std::make_unique<cache::content_cache>(running_.limits.cache, *memory_, disk_.get(), system_clock());
  cache_->update_keep([of = *spaces](std::string_view label, std::string_view key) { return of->keeps(label, key); });
  if (auto opened = open_cold(**spaces); !opened) return opened;
  if (running_.node.access_log != "off") {
    auto opened = front::access_log::open(running_.node.access_log, running_.node.access_log_queue);
    if (!opened) return fail(opened.error());
    log_ = std::move(*opened);
  }
  loops_ = std::make_unique<net::loop_group>(running_.node.threads);
  listeners_.resize(loops_->size());

  state_.name = running_.node.name;
  state_.site = running_.node.site;
  state_.version = FOREBAY_VERSION;
  state_.started = system_clock().steady();
  state_.cache = cache_.get();
  state_.memory = memory_.get();
  state_.disk = disk_.get();
  state_.loops = loops_.get();
  const auto common = web_settings_of(running_, std::move(*spaces));
  web_ = std::make_shared<front::web_front>(*cache_, common, log_.get());
  s3_ = std::make_shared<front::s3::s3_front>(*cache_, s3_settings_of(running_, common), log_.get());
  admin_ = std::make_shared<front::admin_front>(state_, *web_, admin_settings_of(running_));
  accepting_ = std::make_shared<accept_context>(limits_of(running_), state_.connections, *loops_);
  guards_ = std::make_unique<guards>(running_);
  front::register_node_metrics(state_);

  loops_->start();
  install_clients();
  guards_->start(*loops_);
  if (cold_ != nullptr) cold_->start(loops_->at(0));
  return {};
}

/// Made with every disk tier, so that a reload can bring the first place.
result<void> node::open_cold(const space::space_map& spaces) {
  auto places = make_cold_places(running_, spaces);
  if (!places) return fail(places.error());
  if (disk_ == nullptr) {
    if (!places->empty()) log::error("cold", "there is no cold tier without a disk tier");
    return {};
  }
  cache::cold::cold_tier_settings settings;
  settings.node_name = running_.node.name;
  for (std::size_t i = 0; i < disk_->shelf_count(); ++i)
    settings.stores.push_back(hex(disk_->shelf_at(i).identity().bytes));
  settings.queue_bytes = std::min(running_.limits.cold_queue_bytes, running_.node.memory_bytes / 8);
  settings.index_bytes = running_.limits.cold_index_bytes;
  settings.erased = [disk = disk_.get()](const storage::version_key& version) { return disk->erased(version); };
  cold_ = std::make_unique<cache::cold::cold_tier>(std::move(settings), *memory_, *disk_);
  cold_->configure(std::move(*places));
  disk_->set_sink(cold_.get());
  cache_->use_cold(*cold_);
  return {};
}

/// A disk that cannot be used makes the node slower, not useless.
void node::open_disk() {
  if (running_.node.disks.empty()) return;
  std::vector<storage::disk::segment_store::directory> directories;
  for (const disk_config& each : running_.node.disks) {
    auto in = storage::disk::open_directory(each.path);
    if (in) {
      directories.push_back({std::move(*in), each.size_bytes, each.segment_bytes});
    } else {
      state_.refused_disks.fetch_add(1);
      log::error("disk", "{} is left out: {}; the rest of the node serves", each.path, in.error().context);
    }
  }
  storage::disk::segment_store_settings settings;
  // What waits for the disk is pinned in memory.
  const std::size_t queues = std::max<std::size_t>(directories.size(), 1);
  settings.shelf.queue_bytes = std::min(running_.limits.disk_queue_bytes, running_.node.memory_bytes / 4 / queues);
  settings.shelf.index_bytes = running_.limits.disk_index_bytes;
  settings.reads_limit = running_.limits.disk_reads;
  auto opened = storage::disk::segment_store::open(std::move(directories), settings, *memory_);
  if (!opened) {
    log::error("disk", "there is no disk tier: {}", opened.error().context);
    return;
  }
  disk_ = std::move(*opened);
  state_.refused_disks.fetch_add(disk_->refused());
}

node::~node() {
  front::forget_node_metrics(state_);
  if (loops_ == nullptr) return;
  begin_drain(); // the listeners must go on their loops
  if (guards_ != nullptr) guards_->stop(*loops_);
  for (unsigned i = 0; i < loops_->size(); ++i) run_on(loops_->at(i), [] { http::client::install(nullptr); });
  loops_->stop();
  if (disk_ != nullptr) disk_->end_reads(); // they wake loops
  if (cold_ != nullptr) cold_->stop();      // so does it
  loops_.reset();                           // whatever still waits is destroyed here, while what it refers to is there
}

void node::install_clients() {
  const auto settings = std::make_shared<const http::client_settings>(running_.client_settings());
  for (unsigned i = 0; i < loops_->size(); ++i) {
    run_on(loops_->at(i), [&settings] { http::client::install(std::make_unique<http::client>(settings)); });
  }
}

std::shared_ptr<const connection_limits> node::limits_of(const config& from) const {
  auto limits = std::make_shared<connection_limits>();
  limits->server = from.limits.server;
  limits->connections = from.limits.connections;
  limits->connections_per_client = from.limits.connections_per_client;
  limits->tls_handshakes = from.limits.tls_handshakes;
  limits->tls_handshake_timeout = from.limits.tls_handshake_timeout;
  limits->trusted_proxies = from.network.trusted_proxies;
  return limits;
}

std::shared_ptr<const front::web_settings> node::web_settings_of(const config& from,
                                                                 std::shared_ptr<const space::space_map> spaces) {
  auto settings = std::make_shared<front::web_settings>();
  settings->spaces = std::move(spaces);
  settings->trusted_proxies = from.network.trusted_proxies;
  settings->proxies_say_forwarded = from.network.proxies_say_forwarded;
  settings->node_name = from.node.name;
  settings->ranges = from.limits.ranges;
  settings->remembered_hits = from.limits.remembered_hits;
  digests_->update(from.limits.digests);
  settings->digests = digests_;
  settings->body_bytes = from.limits.server.body_bytes;
  return settings;
}

std::shared_ptr<const front::s3::s3_settings> node::s3_settings_of(const config& from,
                                                                   std::shared_ptr<const front::web_settings> common) {
  auto settings = std::make_shared<front::s3::s3_settings>();
  settings->common = std::move(common);
  settings->hosts = from.s3.hosts;
  for (const s3_key_config& one : from.s3.keys)
    settings->keys.push_back({one.access_key_id, one.secret_access_key.value, one.buckets, one.write});
  return settings;
}

std::shared_ptr<http::handler> node::front_of(const listen_config& wanted) const {
  const bool data = wanted.serves("data"), s3 = wanted.serves("s3"), admin = wanted.serves("admin");
  if (data + s3 + admin > 1)
    return std::make_shared<front::mixed_front>(data ? web_.get() : nullptr, s3 ? s3_.get() : nullptr,
                                                admin ? admin_.get() : nullptr);
  if (admin) return admin_;
  if (s3) return s3_;
  return web_;
}

std::shared_ptr<const front::admin_settings> node::admin_settings_of(const config& from) {
  return std::make_shared<const front::admin_settings>(
      front::admin_settings{from.admin.token.value, from.admin.client_names});
}

result<void> node::listen() {
  auto terms = tls_.prepare(running_);
  if (!terms) return fail(terms.error());
  const bool any = std::any_of(terms->begin(), terms->end(), [](const auto& one) { return one != nullptr; });
  tls_.publish(running_, std::move(*terms));
  std::string why_not = "tls.kernel is false";
  const bool in_kernel = running_.tls.kernel && net::kernel_tls_available(&why_not);
  if (any) log::info("tls", "kernel TLS: {}", in_kernel ? "on" : why_not);
  for (std::size_t i = 0; i < running_.listen.size(); ++i) {
    auto opened = listen_on(running_.listen[i], tls_.of(i));
    if (!opened) return opened;
  }
  state_.listening.store(true);
  return {};
}

result<void> node::listen_on(const listen_config& wanted, std::shared_ptr<listener_terms> tls) {
  if (!asks_for_any_port(wanted.address)) {
    const auto free = net::probe_address(wanted.address);
    if (!free && wanted.by_default) {
      log::warn("serve", "without the listener for {}: {}", fmt::join(wanted.serve, ", "), free.error().message());
      return {};
    }
    if (!free) return free;
  }
  const bool limited = wanted.serves("data") || wanted.serves("s3");
  const std::shared_ptr<http::handler> front = limited ? guards_->before(front_of(wanted)) : front_of(wanted);
  std::string address = wanted.address;
  for (unsigned i = 0; i < loops_->size(); ++i) {
    net::loop& loop = loops_->at(i);
    auto bound = run_on(loop, [&]() -> result<net::endpoint> {
      auto opened = net::listener::open(address);
      if (!opened) return fail(opened.error());
      std::shared_ptr<net::listener> mine(std::move(*opened));
      const net::endpoint at = mine->bound();
      listeners_[i].push_back(mine);
      loop.spawn(accept_connections(mine, front, accepting_, tls, limited));
      return at;
    });
    if (!bound) return fail(bound.error());
    if (i == 0) {
      address = with_port(address, bound->port);
      log::info("serve", "listening on {} for {}{}", bound->to_string(), fmt::join(wanted.serve, ", "),
                wanted.tls ? " with TLS" : "");
      state_.listeners.push_back({bound->to_string(), wanted.serve});
    }
  }
  return {};
}

result<void> node::reload(config next) {
  const auto opened = check_opened(running_, next);
  if (!opened) return opened;
  auto spaces = make_spaces(next, disk_.get());
  if (!spaces) return fail(spaces.error());
  // Listeners stay as they are until a restart; their certificates may be others.
  std::swap(next.listen, running_.listen);
  auto terms = tls_.prepare(next);
  std::swap(next.listen, running_.listen);
  if (!terms) return fail(terms.error());
  auto places = make_cold_places(next, **spaces);
  if (!places) return fail(places.error());
  // The default follows from what is free, which changes all the time.
  const bool unwritten = !next.places.contains("node.disk") && !running_.places.contains("node.disk");
  if (unwritten) next.node.disks = running_.node.disks;
  for (const change& one : diff(running_, next)) {
    if (one.needs_restart) {
      log::warn("serve", "reload: {} needs a restart; it stays {}", one.key, one.from);
    } else {
      log::info("serve", "reload: {} is now {}", one.key, one.to);
    }
  }
  // What needs a restart stays as it runs, so that the next reload names it again.
  config merged = std::move(next);
  merged.listen = running_.listen;
  node_config kept = running_.node;
  kept.memory = merged.node.memory;
  kept.memory_bytes = merged.node.memory_bytes;
  kept.drain_timeout = merged.node.drain_timeout;
  kept.log_level = merged.node.log_level;
  merged.node = std::move(kept);
  merged.limits.cache.objects = running_.limits.cache.objects;
  merged.limits.disk_queue_bytes = running_.limits.disk_queue_bytes;
  merged.limits.disk_index_bytes = running_.limits.disk_index_bytes;
  merged.limits.disk_reads = running_.limits.disk_reads;
  merged.limits.origin.file_threads = running_.limits.origin.file_threads;
  merged.limits.origin.file_queue = running_.limits.origin.file_queue;
  merged.limits.origin.ipfs_remembered_bytes = running_.limits.origin.ipfs_remembered_bytes;
  merged.limits.cold_queue_bytes = running_.limits.cold_queue_bytes;
  merged.limits.cold_index_bytes = running_.limits.cold_index_bytes;
  running_ = std::move(merged);

  log::set_level(running_.node.log_level);
  memory_->resize(running_.node.memory_bytes);
  cache_->update_limits(running_.limits.cache);
  cache_->update_keep([of = *spaces](std::string_view label, std::string_view key) { return of->keeps(label, key); });
  if (cold_ != nullptr) cold_->configure(std::move(*places));
  const auto common = web_settings_of(running_, std::move(*spaces));
  web_->update(common);
  s3_->update(s3_settings_of(running_, common));
  admin_->update(admin_settings_of(running_));
  accepting_->limits.set(limits_of(running_));
  guards_->update(running_);
  tls_.publish(running_, std::move(*terms));
  const auto settings = std::make_shared<const http::client_settings>(running_.client_settings());
  for (unsigned i = 0; i < loops_->size(); ++i) {
    loops_->at(i).post([settings] { http::client::current().update(settings); });
  }
  if (log_) log_->reopen();
  front::register_node_metrics(state_);
  state_.reloads.fetch_add(1);
  return {};
}

void node::refresh_certificates() {
  const auto shown = http::client_certificate::refresh();
  for (const error& one : shown.failures) {
    log::error("tls", "a client certificate has changed, but the old one stays: {}", one.message());
    count_failed_reload();
  }
  if (shown.loaded > 0) log::info("tls", "client certificates for origins have changed and are loaded");
  if (!tls_.files_changed()) return;
  auto terms = tls_.prepare(running_);
  if (!terms) {
    log::error("tls", "certificates have changed, but the old ones stay: {}", terms.error().context);
    count_failed_reload();
    return;
  }
  tls_.publish(running_, std::move(*terms));
  log::info("tls", "certificates have changed and are loaded");
}

void node::begin_drain() {
  state_.draining.store(true);
  accepting_->draining->store(true);
  for (unsigned i = 0; i < loops_->size(); ++i) {
    run_on(loops_->at(i), [this, i] {
      for (const auto& one : listeners_[i]) one->close();
      listeners_[i].clear();
    });
  }
}

std::string render_addresses(const std::vector<front::listener_state>& listeners) {
  nlohmann::ordered_json document;
  document["listeners"] = nlohmann::json::array();
  for (const auto& one : listeners) document["listeners"].push_back({{"address", one.address}, {"serve", one.serve}});
  return document.dump() + "\n";
}

} // namespace forebay::app

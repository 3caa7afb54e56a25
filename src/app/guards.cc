#include "app/guards.h"

#include "app/run_on.h"
#include "net/slow_reader.h"

namespace forebay::app {

guards::guards(const config& from) : guard_(std::make_shared<front::guard>(settings_of(from), system_clock())) {
  set_process_limits(from);
}

void guards::set_process_limits(const config& from) {
  net::set_slow_reader_bytes(from.limits.slow_reader_bytes);
  net::set_queue_delay_target(from.limits.queue_delay);
}

std::shared_ptr<const front::guard_settings> guards::settings_of(const config& from) {
  return std::make_shared<const front::guard_settings>(front::guard_settings{
      from.limits.requests_per_client, from.network.trusted_proxies, from.network.proxies_say_forwarded});
}

void guards::start(net::loop_group& loops) {
  probes_.resize(loops.size());
  for (unsigned i = 0; i < loops.size(); ++i)
    run_on(loops.at(i), [this, i] { probes_[i] = std::make_unique<net::queue_probe>(); });
}

void guards::stop(net::loop_group& loops) {
  for (unsigned i = 0; i < probes_.size(); ++i) run_on(loops.at(i), [this, i] { probes_[i].reset(); });
}

void guards::update(const config& from) {
  set_process_limits(from);
  guard_->update(settings_of(from));
}

std::shared_ptr<http::handler> guards::before(std::shared_ptr<http::handler> front) const {
  return std::make_shared<front::guarded_front>(std::move(front), guard_);
}

} // namespace forebay::app

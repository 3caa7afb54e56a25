// One direction of a far link: when does a packet that arrives now come out at the other end, if at all?
//
// Pure arithmetic over a clock that the caller passes in, so it can be reasoned about (and tested) without a
// network. Owner: one direction of a tunnel or of a relay; used from one thread. Times are nanoseconds of
// CLOCK_MONOTONIC.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <random>

namespace forebay::lab {

using time_ns = std::int64_t;

constexpr time_ns ns_per_ms = 1'000'000;
constexpr double ns_per_second = 1e9;
constexpr double bits_per_byte = 8.0;

// What the distance is like. Each direction has all of it to itself, as on a full-duplex circuit.
struct link_conditions {
  double rtt_ms = 40.0;     // round trip; each direction delays by half of it
  double rate_mbit = 200.0; // 10^6 bits per second of IP packets, headers included
  double queue_bdp = 1.5;   // room of the drop-tail queue, in bandwidth-delay products of the round trip
  double loss = 0.0;        // probability that a packet is lost, before it queues
  bool up = true;           // a link that is down loses everything

  [[nodiscard]] double bytes_per_ns() const { return rate_mbit * 1e6 / bits_per_byte / ns_per_second; }
  [[nodiscard]] time_ns one_way_ns() const { return static_cast<time_ns>(rtt_ms * ns_per_ms / 2); }

  // A queue is never smaller than a few dozen packets, or a link without delay would pass nothing.
  [[nodiscard]] double queue_bytes() const {
    constexpr double least_queue_bytes = 64.0 * 1500.0;
    return std::max(least_queue_bytes, queue_bdp * rtt_ms * ns_per_ms * bytes_per_ns());
  }
};

struct link_counters {
  std::uint64_t packets = 0;         // that came out at the other end
  std::uint64_t bytes = 0;           // of those packets, IP headers included
  std::uint64_t lost_packets = 0;    // taken by chance or by a link that is down
  std::uint64_t dropped_packets = 0; // found the queue full
};

class shaper {
public:
  explicit shaper(std::uint64_t seed) : chance_(seed) {}

  // The time at which `size_bytes` offered at `now` come out, or nothing when they are lost. Answers never go
  // backwards, whatever changed in between: a link does not reorder.
  [[nodiscard]] std::optional<time_ns> admit(const link_conditions& link, std::size_t size_bytes, time_ns now) {
    if (!link.up || (link.loss > 0 && even_(chance_) < link.loss)) {
      ++counters.lost_packets;
      return std::nullopt;
    }
    if (backlog_bytes(link, now) + static_cast<double>(size_bytes) > link.queue_bytes()) {
      ++counters.dropped_packets;
      return std::nullopt;
    }
    return schedule(link, size_bytes, now);
  }

  // As admit(), for a sender that can be made to wait instead: nothing is lost.
  [[nodiscard]] time_ns schedule(const link_conditions& link, std::size_t size_bytes, time_ns now) {
    const double wire_ns = static_cast<double>(size_bytes) / link.bytes_per_ns();
    wire_free_at_ = std::max(wire_free_at_, static_cast<double>(now)) + wire_ns;
    last_arrival_ = std::max(last_arrival_, static_cast<time_ns>(wire_free_at_) + link.one_way_ns());
    return last_arrival_;
  }

  [[nodiscard]] double backlog_bytes(const link_conditions& link, time_ns now) const {
    return std::max(0.0, wire_free_at_ - static_cast<double>(now)) * link.bytes_per_ns();
  }

  void count_delivered(std::size_t size_bytes) {
    ++counters.packets;
    counters.bytes += size_bytes;
  }

  link_counters counters;

private:
  std::mt19937_64 chance_;
  std::uniform_real_distribution<double> even_{0.0, 1.0};
  double wire_free_at_ = 0; // when the last bit of what was accepted leaves the near end
  time_ns last_arrival_ = 0;
};

} // namespace forebay::lab

// forebay_link: a far link for tests and demonstrations, without the kernel's netem.
//
//   forebay_link --near-ns PATH --far-ns PATH [conditions]       packets between two network namespaces
//   forebay_link --relay HOST:PORT HOST:PORT [conditions]        the fallback: a shaping TCP relay
//   conditions: --rtt-ms 40 --rate-mbit 200 --queue-bdp 1.5 --loss 0 --seed 1 --control SOCKET
//
// Prints one line of JSON when packets can pass, and another when it ends on SIGTERM or SIGINT. Exits 0 then,
// 2 when it cannot start.
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <limits>
#include <map>
#include <sstream>

#include <poll.h>
#include <sched.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "link.h"

namespace forebay::lab {
namespace {

constexpr int client_patience_ms = 100;
constexpr std::size_t command_limit_bytes = 512;

double parse_number(const std::string& text, const std::string& name, double least, double most) {
  char* end = nullptr;
  const double number = std::strtod(text.c_str(), &end);
  if (text.empty() || *end != '\0' || !(number >= least && number <= most)) {
    throw std::runtime_error(name + " is not a number from " + std::to_string(least) + " to " + std::to_string(most) +
                             ": " + text);
  }
  return number;
}

// The one table of what can be set, at the start as --rtt-ms and later as "set rtt_ms=".
void set_condition(link_conditions& link, const std::string& name, const std::string& value) {
  if (name == "rtt_ms") {
    link.rtt_ms = parse_number(value, name, 0, 10'000);
  } else if (name == "rate_mbit") {
    link.rate_mbit = parse_number(value, name, 0.01, 100'000);
  } else if (name == "queue_bdp") {
    link.queue_bdp = parse_number(value, name, 0, 1'000);
  } else if (name == "loss") {
    link.loss = parse_number(value, name, 0, 1);
  } else if (name == "up") {
    link.up = parse_number(value, name, 0, 1) != 0;
  } else {
    throw std::runtime_error("unknown condition: " + name);
  }
}

void describe_direction(std::ostringstream& out, const char* name, const link_counters& counters) {
  out << '"' << name << "\": {\"packets\": " << counters.packets << ", \"bytes\": " << counters.bytes
      << ", \"lost_packets\": " << counters.lost_packets << ", \"dropped_packets\": " << counters.dropped_packets
      << "}";
}

std::string answer_command(const std::string& command, link_state& state) {
  std::istringstream words(command);
  std::string word;
  words >> word;
  if (word == "set") {
    link_conditions changed = state.conditions; // all or nothing
    while (words >> word) {
      const auto equals = word.find('=');
      if (equals == std::string::npos) {
        throw std::runtime_error("expected name=value: " + word);
      }
      set_condition(changed, word.substr(0, equals), word.substr(equals + 1));
    }
    state.conditions = changed;
  } else if (word != "status") {
    throw std::runtime_error("unknown command: " + word);
  }
  return describe(state);
}

std::string read_line(int fd) {
  std::string line;
  pollfd client{fd, POLLIN, 0};
  while (line.find('\n') == std::string::npos && line.size() < command_limit_bytes) {
    char piece[command_limit_bytes];
    if (::poll(&client, 1, client_patience_ms) <= 0) {
      break;
    }
    const ssize_t size = ::recv(fd, piece, sizeof piece, 0);
    if (size <= 0) {
      break;
    }
    line.append(piece, static_cast<std::size_t>(size));
  }
  return line.substr(0, line.find('\n'));
}

} // namespace

std::string describe(const link_state& state) {
  const auto& link = state.conditions;
  std::ostringstream out;
  out << "{\"mode\": \"" << state.mode << "\", \"rtt_ms\": " << link.rtt_ms << ", \"rate_mbit\": " << link.rate_mbit
      << ", \"queue_bytes\": " << static_cast<std::uint64_t>(link.queue_bytes()) << ", \"loss\": " << link.loss
      << ", \"up\": " << (link.up ? "true" : "false") << ", ";
  describe_direction(out, "near_to_far", state.near_to_far.counters);
  out << ", ";
  describe_direction(out, "far_to_near", state.far_to_near.counters);
  out << "}\n";
  return out.str();
}

control_socket::control_socket(const std::string& path, link_state& state) : state_(state) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    throw std::runtime_error("the path of the control socket is too long: " + path);
  }
  std::strcpy(address.sun_path, path.c_str());
  listener_ = descriptor(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  // Without a path the kernel picks an abstract name that nobody knows; the counters are printed at the end.
  const socklen_t size_bytes = path.empty() ? sizeof address.sun_family : sizeof address;
  if (::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), size_bytes) != 0 ||
      ::listen(listener_.get(), SOMAXCONN) != 0) {
    throw failure("cannot listen on " + path);
  }
}

void control_socket::serve_one() {
  const descriptor client(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  if (!client) {
    return;
  }
  std::string answer;
  try {
    answer = answer_command(read_line(client.get()), state_);
  } catch (const std::runtime_error& error) {
    answer = std::string("error: ") + error.what() + "\n";
  }
  [[maybe_unused]] const auto sent = ::send(client.get(), answer.data(), answer.size(), MSG_NOSIGNAL);
}

namespace {

struct command_line {
  tunnel_options tunnel;
  relay_options relay;
  std::string control_path;
  link_conditions conditions;
  std::uint64_t seed = 1;
};

std::pair<std::string, std::string> split_address(const std::string& address) {
  const auto colon = address.rfind(':');
  if (colon == std::string::npos) {
    throw std::runtime_error("expected HOST:PORT: " + address);
  }
  return {address.substr(0, colon), address.substr(colon + 1)};
}

command_line parse_arguments(int count, char** arguments) {
  command_line parsed;
  const std::map<std::string, std::string*> texts = {{"--near-ns", &parsed.tunnel.near_ns},
                                                     {"--far-ns", &parsed.tunnel.far_ns},
                                                     {"--near-address", &parsed.tunnel.near_address},
                                                     {"--far-address", &parsed.tunnel.far_address},
                                                     {"--control", &parsed.control_path}};
  int place = 1;
  const auto next = [&]() -> std::string {
    if (place >= count) {
      throw std::runtime_error(std::string("a value is missing after ") + arguments[count - 1]);
    }
    return arguments[place++];
  };
  while (place < count) {
    std::string name = next();
    if (const auto text = texts.find(name); text != texts.end()) {
      *text->second = next();
    } else if (name == "--relay") {
      std::tie(parsed.relay.listen_host, parsed.relay.listen_port) = split_address(next());
      std::tie(parsed.relay.target_host, parsed.relay.target_port) = split_address(next());
    } else if (name == "--seed") {
      parsed.seed = static_cast<std::uint64_t>(
          parse_number(next(), name, 0, static_cast<double>(std::numeric_limits<std::uint32_t>::max())));
    } else if (name.rfind("--", 0) == 0) {
      name = name.substr(2);
      std::replace(name.begin(), name.end(), '-', '_');
      set_condition(parsed.conditions, name, next());
    } else {
      throw std::runtime_error("unknown argument: " + name);
    }
  }
  if (parsed.relay.listen_port.empty() == (parsed.tunnel.near_ns.empty() || parsed.tunnel.far_ns.empty())) {
    throw std::runtime_error("give either --near-ns and --far-ns, or --relay");
  }
  return parsed;
}

descriptor block_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  sigprocmask(SIG_BLOCK, &signals, nullptr);
  return descriptor(::signalfd(-1, &signals, SFD_CLOEXEC));
}

// Where it is permitted, the link goes before the load that it carries, or a busy machine would look farther away.
void ask_for_priority() {
  const sched_param first{1};
  [[maybe_unused]] const int outcome = ::sched_setscheduler(0, SCHED_RR, &first);
}

void print_state(const link_state& state) { std::cout << describe(state) << std::flush; }

int run(int count, char** arguments) {
  const auto parsed = parse_arguments(count, arguments);
  link_state state{parsed.conditions, shaper(parsed.seed), shaper(parsed.seed + 1),
                   parsed.relay.listen_port.empty() ? "namespaces" : "relay"};
  const auto stop = block_signals();
  control_socket control(parsed.control_path, state);
  ask_for_priority();
  if (state.mode == "relay") {
    run_relay(parsed.relay, state, control, stop.get(), print_state);
  } else {
    run_tunnel(parsed.tunnel, state, control, stop.get(), print_state);
  }
  print_state(state);
  return 0;
}

} // namespace
} // namespace forebay::lab

int main(int count, char** arguments) {
  try {
    return forebay::lab::run(count, arguments);
  } catch (const std::exception& error) {
    std::cerr << "forebay_link: " << error.what() << '\n';
    return 2;
  }
}

#include "http/parser.h"

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/basic_parser.hpp>

#include "base/text.h"
#include "http/authority.h"
#include "http/head_scanner.h"
#include "http/syntax.h"

namespace forebay::http {
namespace {

namespace beast = boost::beast;
using beast_error = beast::error_code;
using beast_text = beast::string_view;
using beast_field = beast::http::field;

/// Longer method names are answered with 501 (RFC 9112 §3); the longest registered one has 17 characters.
constexpr std::size_t method_bytes = 32;
/// " " before the target and " HTTP/1.1\r\n" behind it.
constexpr std::size_t request_line_rest_bytes = 12;

std::string_view view(beast_text text) noexcept { return {text.data(), text.size()}; }

/// How often the fields that decide framing and routing came, noted while Beast reads them.
struct field_counts {
  unsigned host = 0, content_length = 0, transfer_encoding = 0, connection = 0, expect = 0;
};

/// Beast's grammar writing straight into our head: no allocation per field. Only the head is given to it.
class head_reader final : public beast::http::basic_parser<true> {
public:
  head_reader(request_head& head, field_counts& counts) : head_(head), counts_(counts) {}

private:
  void on_request_impl(beast::http::verb, beast_text method, beast_text target, int version, beast_error&) override {
    head_.method.assign(method.data(), method.size());
    head_.target.assign(target.data(), target.size());
    head_.version = static_cast<unsigned>(version);
  }
  void on_field_impl(beast_field name, beast_text spelled, beast_text value, beast_error&) override {
    switch (name) {
    case beast_field::host: ++counts_.host; break;
    case beast_field::content_length: ++counts_.content_length; break;
    case beast_field::transfer_encoding: ++counts_.transfer_encoding; break;
    case beast_field::connection: ++counts_.connection; break;
    case beast_field::expect: ++counts_.expect; break;
    default: break;
    }
    head_.fields.add(view(spelled), view(value));
  }
  void on_response_impl(int, beast_text, int, beast_error&) override {}
  void on_header_impl(beast_error&) override {}
  void on_body_init_impl(const boost::optional<std::uint64_t>&, beast_error&) override {}
  std::size_t on_body_impl(beast_text body, beast_error&) override { return body.size(); }
  void on_chunk_header_impl(std::uint64_t, beast_text, beast_error&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, beast_text body, beast_error&) override { return body.size(); }
  void on_finish_impl(beast_error&) override {}

  request_head& head_;
  field_counts& counts_;
};

bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }

} // namespace

struct request_parser::impl {
  explicit impl(const server_limits& with)
      : limits(with),
        scanner({method_bytes + with.target_bytes + request_line_rest_bytes, with.header_bytes, with.header_fields}) {}

  result<std::size_t> feed(std::span<const std::byte> bytes);
  result<void> read_head();
  result<void> check_version(std::string_view line);
  result<void> check_method(std::string_view line);
  result<void> check_target_and_host();
  result<void> check_framing();
  void read_connection();
  result<void> check_expectation();

  tl::unexpected<error> refuse(unsigned code, std::string why) {
    status = code;
    return fail(error_kind::invalid_input, "request", std::move(why));
  }

  server_limits limits;
  head_scanner scanner;
  std::string raw; ///< the bytes of the head as they came
  request_head head;
  field_counts counts;
  body_framing framing;
  std::optional<head_reader> reader;
  bool complete = false, keep_alive = false, expects_continue = false;
  bool too_many = false; ///< fields, by their count
  bool foreign = false;  ///< three words, but neither a target nor a version among them
  unsigned status = 0;   ///< of the refusal; 0 as long as there is none
};

result<std::size_t> request_parser::impl::feed(std::span<const std::byte> bytes) {
  if (complete) return 0;
  if (status != 0) return refuse(status, "the request was refused before");
  const std::size_t before = raw.size();
  // One byte more than the limit is enough to see that it is passed; empty lines in front are few.
  const std::size_t room = scanner.begin() + limits.header_bytes + 1 - before;
  const std::size_t take = std::min(room, bytes.size());
  raw.append(reinterpret_cast<const char*>(bytes.data()), take);
  switch (scanner.scan(raw)) {
  case head_scanner::outcome::more: return take;
  case head_scanner::outcome::malformed: return refuse(400, std::string(scanner.complaint()));
  case head_scanner::outcome::line_too_long: return refuse(414, "the request target is too long");
  case head_scanner::outcome::head_too_large: return refuse(431, "the header fields are too large");
  case head_scanner::outcome::too_many_fields: too_many = true; return refuse(431, "the header fields are too many");
  case head_scanner::outcome::complete: break;
  }
  raw.resize(scanner.end());
  if (auto read = read_head(); !read) return fail(std::move(read.error()));
  complete = true;
  return scanner.end() - before;
}

result<void> request_parser::impl::read_head() {
  const std::string_view text = std::string_view(raw).substr(scanner.begin());
  const std::string_view line = text.substr(0, text.find('\r'));
  if (auto good = check_method(line); !good) return good;
  if (auto good = check_version(line); !good) return good;
  beast_error failed;
  reader.emplace(head, counts);
  reader->header_limit(static_cast<std::uint32_t>(std::min<std::size_t>(limits.header_bytes + 1, UINT32_MAX)));
  reader->body_limit(boost::none);
  const std::size_t read = reader->put(boost::asio::const_buffer(text.data(), text.size()), failed);
  if (failed) return refuse(400, failed.message());
  if (read != text.size() || !reader->is_header_done()) return refuse(400, "the head does not end where its lines do");
  if (head.target.size() > limits.target_bytes) return refuse(414, "the request target is too long");
  if (auto good = check_target_and_host(); !good) return good;
  if (auto good = check_framing(); !good) return good;
  read_connection();
  return check_expectation();
}

result<void> request_parser::impl::check_method(std::string_view line) {
  const std::size_t length = std::min(line.find(' '), line.size());
  if (length > method_bytes && is_token(line.substr(0, length))) return refuse(501, "no method has so long a name");
  return {};
}

/// Beast knows 1.0 and 1.1 only. A higher minor version of 1 is read as 1.1 (RFC 9110 §2.5), another major
/// version has a status of its own.
result<void> request_parser::impl::check_version(std::string_view line) {
  constexpr std::size_t length = std::string_view("HTTP/1.1").size();
  const std::string_view version = line.size() < length ? std::string_view{} : line.substr(line.size() - length);
  const bool well_formed =
      version.substr(0, 5) == "HTTP/" && is_digit(version[5]) && version[6] == '.' && is_digit(version[7]);
  foreign = std::count(line.begin(), line.end(), ' ') == 2 && line.find_first_of("/*") == std::string_view::npos;
  if (!well_formed) return refuse(400, "the request line does not end in an HTTP version");
  if (version[5] != '1') return refuse(505, "only HTTP/1.0 and HTTP/1.1 are spoken here");
  if (version[7] > '1') raw[static_cast<std::size_t>(version.data() - raw.data()) + 7] = '1';
  return {};
}

result<void> request_parser::impl::check_target_and_host() {
  const auto target = classify_target(head.method, head.target);
  if (!target) return refuse(400, "a request target of no known form");
  if (counts.host > 1) return refuse(400, "more than one Host");
  if (counts.host == 0) {
    if (head.version >= 11) return refuse(400, "no Host");
    return {};
  }
  const std::string_view host = *head.fields.get("host");
  if (!is_valid_authority(host)) return refuse(400, "a Host that is no host");
  if (target->form == target_form::absolute && !same_authority(target->authority, host, target->scheme))
    return refuse(400, "the target names another host than Host");
  return {};
}

result<void> request_parser::impl::check_framing() {
  if (counts.transfer_encoding > 0) {
    if (counts.content_length > 0) return refuse(400, "Content-Length beside Transfer-Encoding");
    if (head.version < 11) return refuse(400, "Transfer-Encoding in HTTP/1.0");
    const std::string coding = *head.fields.joined("transfer-encoding");
    if (counts.transfer_encoding == 1 && iequals(coding, "chunked")) {
      framing.chunked = true;
      return {};
    }
    // Ends in chunked, but not only once and at the end: not to be answered as if it were understood.
    std::size_t members = 0, chunked = 0, chunked_at = 0;
    each_member(coding, [&](std::string_view member) {
      ++members;
      if (!iequals(member, "chunked")) return;
      ++chunked;
      chunked_at = members;
    });
    const bool delimited = chunked == 1 && chunked_at == members;
    if (chunked > 0 && !delimited) return refuse(400, "chunked must be the last coding, once");
    return refuse(501, "only the transfer coding chunked is understood");
  }
  if (counts.content_length == 0) return {};
  if (counts.content_length > 1) return refuse(400, "more than one Content-Length");
  const auto length = parse_u64(*head.fields.get("content-length"));
  if (!length) return refuse(400, "a Content-Length that is no number");
  if (*length > limits.body_bytes) return refuse(413, "the body is larger than this node takes");
  framing.length_bytes = *length;
  return {};
}

void request_parser::impl::read_connection() {
  bool close = false, keep = false;
  if (counts.connection > 0) {
    head.fields.each([&](std::string_view name, std::string_view value) {
      if (!iequals(name, "connection")) return;
      each_member(value, [&](std::string_view option) {
        close = close || iequals(option, "close");
        keep = keep || iequals(option, "keep-alive");
      });
    });
  }
  keep_alive = !close && (head.version >= 11 || keep);
}

result<void> request_parser::impl::check_expectation() {
  if (counts.expect == 0 || head.version < 11) return {}; // RFC 9110 §10.1.1: 1.0 clients cannot mean it
  bool known = true;
  head.fields.each([&](std::string_view name, std::string_view value) {
    if (iequals(name, "expect")) known = known && iequals(value, "100-continue");
  });
  if (!known) return refuse(417, "an expectation other than 100-continue");
  expects_continue = framing.chunked || framing.length_bytes > 0;
  return {};
}

request_parser::request_parser(const server_limits& limits) : impl_(std::make_unique<impl>(limits)) {}
request_parser::~request_parser() = default;

result<std::size_t> request_parser::feed(std::span<const std::byte> bytes) { return impl_->feed(bytes); }
bool request_parser::head_complete() const noexcept { return impl_->complete; }
const request_head& request_parser::head() const noexcept { return impl_->head; }
request_head& request_parser::head() noexcept { return impl_->head; }
body_framing request_parser::framing() const noexcept { return impl_->framing; }
bool request_parser::keep_alive() const noexcept { return impl_->keep_alive; }
bool request_parser::expects_continue() const noexcept { return impl_->expects_continue; }
unsigned request_parser::status() const noexcept { return impl_->status; }
bool request_parser::is_foreign() const noexcept { return impl_->foreign; }
bool request_parser::too_many_fields() const noexcept { return impl_->too_many; }

void request_parser::reset() {
  impl_->scanner.reset();
  impl_->raw.clear();
  impl_->head.method.clear();
  impl_->head.target.clear();
  impl_->head.version = 11;
  impl_->head.fields.clear();
  impl_->counts = {};
  impl_->framing = {};
  impl_->reader.reset();
  impl_->complete = impl_->keep_alive = impl_->expects_continue = false;
  impl_->status = 0;
  impl_->foreign = impl_->too_many = false;
}

} // namespace forebay::http

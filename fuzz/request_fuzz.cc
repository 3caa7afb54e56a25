// Request heads and chunked bodies: no bytes may crash the parser, and what it reads must not depend on how the bytes
// were cut into pieces.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "http/parser.h"

namespace {

using namespace forebay;

/// All that a connection would learn from some bytes, as text that can be compared.
struct reader {
  explicit reader(const http::server_limits& limits) : parser(limits) {}

  void take(std::span<const std::byte> piece) {
    while (!piece.empty() && !over) {
      const std::size_t used = in_body ? take_body(piece) : take_head(piece);
      piece = piece.subspan(used);
    }
  }

  std::size_t take_head(std::span<const std::byte> piece) {
    const auto taken = parser.feed(piece);
    if (!taken) {
      if (parser.status() < 400 || parser.status() > 599 || taken.error().context.empty()) std::abort();
      seen += "refused " + std::to_string(parser.status());
      over = true;
      return 0;
    }
    if (!parser.head_complete()) {
      if (*taken == 0) std::abort(); // it must either use bytes or be done
      return *taken;
    }
    note_head();
    framing = parser.framing();
    parser.reset();
    in_body = framing.chunked || framing.length_bytes > 0;
    if (in_body) chunks = {};
    return *taken;
  }

  void note_head() {
    const http::request_head& head = parser.head();
    if (head.version != 10 && head.version != 11) std::abort();
    if (head.version == 11 && head.fields.count("host") != 1) std::abort();
    if (head.fields.has("content-length") && head.fields.has("transfer-encoding")) std::abort();
    std::string text = head.method + " " + head.target + " " + std::to_string(head.version) + "\r\n";
    head.fields.render_to(text);
    std::size_t lines = 0;
    for (const char c : text) lines += c == '\n' ? 1 : 0;
    if (lines != head.fields.size() + 1) std::abort(); // a value that is more than its line
    seen += text;
  }

  std::size_t take_body(std::span<const std::byte> piece) {
    if (!framing.chunked) {
      const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(framing.length_bytes, piece.size()));
      framing.length_bytes -= count;
      in_body = framing.length_bytes > 0;
      return count;
    }
    const auto step = chunks.feed(piece);
    if (!step) {
      seen += "bad chunk";
      over = true;
      return 0;
    }
    if (step->taken > piece.size() || (step->taken == 0 && !step->ended)) std::abort();
    seen.append(reinterpret_cast<const char*>(step->data.data()), step->data.size());
    if (step->ended) {
      chunks.trailers().render_to(seen);
      in_body = false;
    }
    return step->taken;
  }

  http::request_parser parser;
  http::body_framing framing;
  http::chunk_decoder chunks;
  bool in_body = false, over = false;
  std::string seen;
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  http::server_limits limits;
  limits.header_bytes = 512; // small, so that short inputs meet them
  limits.target_bytes = 64;
  limits.header_fields = 8;
  const auto bytes = std::as_bytes(std::span(data, size));

  reader whole(limits), single(limits), halves(limits);
  whole.take(bytes);
  for (std::size_t i = 0; i < size; ++i) single.take(bytes.subspan(i, 1));
  const std::size_t cut = size == 0 ? 0 : data[size - 1] % (size + 1);
  halves.take(bytes.first(cut));
  halves.take(bytes.subspan(cut));
  if (whole.seen != single.seen || whole.seen != halves.seen || whole.over != single.over) std::abort();
  return 0;
}

// Header fields in one flat buffer: no allocation per field.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace forebay::http {

/// Fields of one message in their order, names and values in one buffer. Names compare case-insensitively
/// (RFC 9110 §5.1). Values are stored without outer white space. Not thread-safe; copyable.
class header_table {
public:
  struct field {
    std::string_view name;
    std::string_view value;
  };

  void add(std::string_view name, std::string_view value);
  /// Replaces all fields of that name by one.
  void set(std::string_view name, std::string_view value);
  /// Removes all fields of that name; how many there were.
  std::size_t remove(std::string_view name);
  void clear() noexcept; ///< keeps the capacity: a connection reuses its table

  /// The first value of that name.
  std::optional<std::string_view> get(std::string_view name) const noexcept;
  bool has(std::string_view name) const noexcept { return get(name).has_value(); }
  std::size_t count(std::string_view name) const noexcept;
  /// All values of that name joined by ", " (RFC 9110 §5.3); nothing where there is none.
  std::optional<std::string> joined(std::string_view name) const;

  std::size_t size() const noexcept { return entries_.size(); }
  field at(std::size_t index) const noexcept;
  /// Calls `visit(name, value)` for each field.
  template <class F>
  void each(F&& visit) const {
    for (std::size_t i = 0; i < entries_.size(); ++i) {
      const field f = at(i);
      visit(f.name, f.value);
    }
  }
  /// "Name: value\r\n" for each field.
  void render_to(std::string& out) const;

private:
  struct entry {
    std::uint32_t name_at, name_length, value_at, value_length;
  };
  std::string buffer_;
  std::vector<entry> entries_;
};

/// Removes hop-by-hop fields and those that Connection names (RFC 9110 §7.6.1).
void remove_hop_by_hop(header_table& fields);

} // namespace forebay::http

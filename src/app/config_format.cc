#include <fmt/format.h>

#include "app/config_values.h"
#include "base/units.h"

namespace forebay::app {
namespace {

/// Stands for every secret: a string of TOML, so that what `config show` prints can be read again.
constexpr std::string_view masked = "\"********\"";

struct level_name {
  std::string_view name;
  log::level level;
};
constexpr level_name level_names[] = {
    {"debug", log::level::debug}, {"info", log::level::info}, {"warn", log::level::warn}, {"error", log::level::error}};

template <class T, class F>
std::string join_list(const std::vector<T>& items, F spell) {
  std::string text = "[";
  for (const T& item : items) {
    if (text.size() > 1) text += ", ";
    text += spell(item);
  }
  return text + "]";
}

/// Writes a value of one C++ type as TOML.
class formatter {
public:
  formatter(const key_info& key, bool mask) : key_(key), mask_(mask) {}

  std::string operator()(const bool* value) const { return *value ? "true" : "false"; }
  std::string operator()(const unsigned* value) const { return fmt::format("{}", *value); }
  std::string operator()(const std::uint64_t* value) const {
    return key_.type == value_type::size ? toml_string(format_size(*value)) : fmt::format("{}", *value);
  }
  std::string operator()(const double* value) const {
    std::string text = fmt::format("{}", *value);
    if (text.find_first_of(".e") == std::string::npos) text += ".0"; // TOML tells integers from numbers
    return text;
  }
  std::string operator()(const std::optional<double>* value) const { return *value ? (*this)(&**value) : ""; }
  std::string operator()(const std::string* value) const {
    if (key_.type == value_type::space_path && value->empty()) return "\"/\"";
    if (value->empty()) return "";
    return toml_string(key_.type == value_type::proxy_url && mask_ ? without_userinfo(*value) : *value);
  }
  std::string operator()(const secret* value) const {
    if (value->text.empty()) return "";
    return mask_ ? std::string(masked) : toml_string(value->text);
  }
  std::string operator()(const log::level* value) const { return toml_string(to_string(*value)); }
  std::string operator()(const std::chrono::milliseconds* value) const { return toml_string(format_duration(*value)); }
  std::string operator()(const std::chrono::seconds* value) const { return toml_string(format_duration(*value)); }
  std::string operator()(const std::optional<std::chrono::seconds>* value) const {
    return *value ? (*this)(&**value) : "";
  }
  std::string operator()(const std::vector<std::string>* value) const {
    return join_list(*value, [](const std::string& item) { return toml_string(item); });
  }
  std::string operator()(const std::vector<double>* value) const {
    return value->empty() ? "" : join_list(*value, [this](const double& item) { return (*this)(&item); });
  }
  std::string operator()(const std::vector<net::ip_network>* value) const {
    return join_list(*value, [](const net::ip_network& item) {
      return toml_string(fmt::format("{}/{}", item.base.to_string(), item.prefix_bits));
    });
  }

private:
  const key_info& key_;
  bool mask_;
};

} // namespace

std::string format_value(target where, const key_info& key, bool mask_secrets) {
  return std::visit(formatter(key, mask_secrets), where);
}

std::optional<log::level> parse_level(std::string_view text) {
  for (const level_name& known : level_names) {
    if (known.name == text) return known.level;
  }
  return std::nullopt;
}

std::string_view to_string(log::level level) noexcept {
  for (const level_name& known : level_names) {
    if (known.level == level) return known.name;
  }
  return "error";
}

std::string format_bounds(const key_info& key) {
  if (!key.bounded()) return {};
  const auto spell = [&key](double value) {
    if (key.type == value_type::size || key.type == value_type::share)
      return format_size(static_cast<std::uint64_t>(value));
    if (key.type == value_type::duration)
      return format_duration(std::chrono::milliseconds(static_cast<std::int64_t>(value)));
    return fmt::format("{}", value);
  };
  return fmt::format("from {} to {}", spell(key.least), spell(key.most));
}

} // namespace forebay::app

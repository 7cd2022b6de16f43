#include "server/state/job_filter.h"

#include <algorithm>
#include <cctype>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

#include "storage/base/error_info.h"
#include "storage/base/status_macros.h"

namespace besa::server {
namespace {

constexpr absl::string_view kStates =
    "one of PENDING, PREPARING, PRUNING, EVALUATING, PUBLISHING, SUCCEEDED, CANCELLING, CANCELLED, FAILED";

struct Token {
  enum class Kind { kWord, kQuoted, kOperator, kEnd };
  Kind kind = Kind::kEnd;
  std::string text;
};

bool IsWordChar(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '-' || c == '.'; }

class Parser {
 public:
  explicit Parser(absl::string_view filter) : filter_(filter), rest_(filter) {}

  absl::StatusOr<JobFilter> Parse() {
    JobFilter conditions;
    ASSIGN_OR_RETURN(Token token, Next());
    if (token.kind == Token::Kind::kEnd) return conditions;
    while (true) {
      ASSIGN_OR_RETURN(JobCondition condition, ParseCondition(token));
      conditions.push_back(std::move(condition));
      ASSIGN_OR_RETURN(token, Next());
      if (token.kind == Token::Kind::kEnd) return conditions;
      if (token.kind != Token::Kind::kWord || token.text != "AND") return Wrong(token, "AND or the end");
      ASSIGN_OR_RETURN(token, Next());
    }
  }

 private:
  absl::StatusOr<JobCondition> ParseCondition(const Token& field) {
    JobCondition condition;
    if (field.kind == Token::Kind::kWord && field.text == "state") {
      condition.field = JobCondition::Field::kState;
    } else if (field.kind == Token::Kind::kWord && field.text == "display_name") {
      condition.field = JobCondition::Field::kDisplayName;
    } else if (field.kind == Token::Kind::kWord && field.text == "owner") {
      condition.field = JobCondition::Field::kOwner;
    } else if (field.kind == Token::Kind::kWord && absl::StartsWith(field.text, "labels.") && field.text.size() > 7) {
      condition.field = JobCondition::Field::kLabel;
      condition.key = field.text.substr(7);
    } else {
      return Wrong(field, "state, display_name, owner or labels.KEY");
    }
    ASSIGN_OR_RETURN(const Token op, Next());
    if (op.kind != Token::Kind::kOperator) return Wrong(op, "= or !=");
    condition.negated = op.text == "!=";
    ASSIGN_OR_RETURN(const Token value, Next());
    if (value.kind != Token::Kind::kWord && value.kind != Token::Kind::kQuoted) return Wrong(value, "a value");
    if (condition.field == JobCondition::Field::kState) {
      if (value.text == "UNSPECIFIED" || !v1::JobState_Parse("JOB_STATE_" + value.text, &condition.state)) {
        return Wrong(value, kStates);
      }
    } else {
      condition.text = value.text;
    }
    return condition;
  }

  absl::StatusOr<Token> Next() {
    rest_ = absl::StripLeadingAsciiWhitespace(rest_);
    if (rest_.empty()) return Token{};
    if (rest_[0] == '"') return NextQuoted();
    if (rest_[0] == '=') return Take(Token::Kind::kOperator, 1);
    if (rest_.substr(0, 2) == "!=") return Take(Token::Kind::kOperator, 2);
    size_t length = 0;
    while (length < rest_.size() && IsWordChar(rest_[length])) ++length;
    if (length == 0) return Wrong({Token::Kind::kWord, std::string(rest_.substr(0, 1))}, "a word, = or !=");
    return Take(Token::Kind::kWord, length);
  }

  absl::StatusOr<Token> NextQuoted() {
    Token token{Token::Kind::kQuoted, ""};
    for (size_t i = 1; i < rest_.size(); ++i) {
      if (rest_[i] == '"') {
        rest_.remove_prefix(i + 1);
        return token;
      }
      if (rest_[i] == '\\' && i + 1 < rest_.size()) ++i;
      token.text += rest_[i];
    }
    return Wrong({Token::Kind::kQuoted, std::string(rest_)}, "a closing quote");
  }

  Token Take(Token::Kind kind, size_t length) {
    Token token{kind, std::string(rest_.substr(0, length))};
    rest_.remove_prefix(length);
    return token;
  }

  absl::Status Wrong(const Token& found, absl::string_view expected) const {
    const std::string what = found.kind == Token::Kind::kEnd ? "its end" : absl::StrCat("\"", found.text, "\"");
    return FieldError("filter", filter_, absl::StrCat(expected, " in place of ", what));
  }

  const absl::string_view filter_;
  absl::string_view rest_;
};

}  // namespace

absl::StatusOr<JobFilter> ParseJobFilter(absl::string_view filter) { return Parser(filter).Parse(); }

namespace {

bool Holds(const JobCondition& condition, bool equal) { return equal != condition.negated; }

std::string LabelOf(const v1::Job& job, const std::string& key) {
  const auto label = job.labels().find(key);
  return label == job.labels().end() ? "" : label->second;
}

}  // namespace

bool MayMatch(const JobFilter& filter, v1::JobState state, absl::string_view display_name) {
  return std::all_of(filter.begin(), filter.end(), [&](const JobCondition& condition) {
    if (condition.field == JobCondition::Field::kState) return Holds(condition, condition.state == state);
    if (condition.field == JobCondition::Field::kDisplayName) return Holds(condition, condition.text == display_name);
    return true;
  });
}

bool Matches(const JobFilter& filter, const v1::Job& job) {
  if (!MayMatch(filter, job.state(), job.spec().display_name())) return false;
  return std::all_of(filter.begin(), filter.end(), [&](const JobCondition& condition) {
    if (condition.field == JobCondition::Field::kOwner) return Holds(condition, condition.text == job.owner());
    if (condition.field == JobCondition::Field::kLabel) {
      return Holds(condition, condition.text == LabelOf(job, condition.key));
    }
    return true;
  });
}

}  // namespace besa::server

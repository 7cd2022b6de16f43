#include "server/state/job_filter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace besa::server {
namespace {

using ::testing::HasSubstr;

v1::Job SomeJob(v1::JobState state, const std::string& display_name) {
  v1::Job job;
  job.set_state(state);
  job.mutable_spec()->set_display_name(display_name);
  return job;
}

TEST(JobFilter, AnEmptyFilterHoldsOfEveryJob) {
  EXPECT_TRUE(ParseJobFilter("")->empty());
  EXPECT_TRUE(ParseJobFilter("  ")->empty());
}

TEST(JobFilter, ConditionsAreJoinedByAnd) {
  const auto filter = ParseJobFilter("state != SUCCEEDED AND display_name=\"night \\\"run\\\"\" AND state=PRUNING");
  ASSERT_TRUE(filter.ok()) << filter.status();
  ASSERT_EQ(filter->size(), 3u);
  EXPECT_EQ((*filter)[0].state, v1::JOB_STATE_SUCCEEDED);
  EXPECT_TRUE((*filter)[0].negated);
  EXPECT_EQ((*filter)[1].field, JobCondition::Field::kDisplayName);
  EXPECT_EQ((*filter)[1].text, "night \"run\"");
  EXPECT_FALSE((*filter)[1].negated);
  EXPECT_EQ((*filter)[2].state, v1::JOB_STATE_PRUNING);
}

TEST(JobFilter, AWordNeedsNoQuotes) { EXPECT_EQ((*ParseJobFilter("display_name = nightly"))[0].text, "nightly"); }

TEST(JobFilter, AJobMatchesIfAllConditionsHold) {
  const JobFilter filter = *ParseJobFilter("state != FAILED AND display_name = nightly");
  EXPECT_TRUE(Matches(filter, SomeJob(v1::JOB_STATE_PRUNING, "nightly")));
  EXPECT_FALSE(Matches(filter, SomeJob(v1::JOB_STATE_FAILED, "nightly")));
  EXPECT_FALSE(Matches(filter, SomeJob(v1::JOB_STATE_PRUNING, "daily")));
  EXPECT_TRUE(Matches({}, SomeJob(v1::JOB_STATE_FAILED, "")));
}

TEST(JobFilter, OwnersAndLabelsAreComparedAsTheyAre) {
  v1::Job job = SomeJob(v1::JOB_STATE_PRUNING, "");
  job.set_owner("ada");
  (*job.mutable_labels())["team"] = "nlp";
  EXPECT_TRUE(Matches(*ParseJobFilter("owner = ada AND labels.team = nlp"), job));
  EXPECT_FALSE(Matches(*ParseJobFilter("owner != ada"), job));
  EXPECT_FALSE(Matches(*ParseJobFilter("labels.team = vision"), job));
  EXPECT_TRUE(Matches(*ParseJobFilter("labels.stage != test"), job)) << "a label that is not there is not \"test\"";
}

TEST(JobFilter, ErrorsSayWhatIsWrongAndWhatCouldStandThere) {
  const std::pair<const char*, const char*> cases[] = {
      {"color = red", "state, display_name, owner or labels.KEY in place of \"color\""},
      {"state PRUNING", "= or != in place of \"PRUNING\""},
      {"state = RUNNING", "one of PENDING"},
      {"state = UNSPECIFIED", "one of PENDING"},
      {"state =", "a value in place of its end"},
      {"state = PRUNING OR state = FAILED", "AND or the end in place of \"OR\""},
      {"state = PRUNING AND", "state, display_name, owner or labels.KEY in place of its end"},
      {"display_name = \"open", "a closing quote"},
      {"state > PRUNING", "a word, = or !="},
  };
  for (const auto& [text, message] : cases) {
    const auto filter = ParseJobFilter(text);
    ASSERT_FALSE(filter.ok()) << text;
    EXPECT_EQ(filter.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(filter.status().message()), HasSubstr(message));
    EXPECT_THAT(std::string(filter.status().message()), HasSubstr("filter"));
  }
}

}  // namespace
}  // namespace besa::server

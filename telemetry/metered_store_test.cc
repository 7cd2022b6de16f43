#include "telemetry/metered_store.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "prometheus/text_serializer.h"
#include "storage/object/faulty_store.h"
#include "storage/object/temporary_folder.h"

namespace besa {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class MeteredStoreTest : public ::testing::Test {
 protected:
  std::string Text() { return prometheus::TextSerializer().Serialize(registry_.Collect()); }

  storage::TemporaryFolder folder_;
  prometheus::Registry registry_;
  std::unique_ptr<storage::ObjectStore> plain_ = storage::OpenStoreIn(folder_);
  std::unique_ptr<storage::ObjectStore> store_ =
      MeterStore(storage::OpenStoreIn(folder_), MakeStoreMetrics(registry_, Clock::Real()));
};

TEST_F(MeteredStoreTest, CountsBytesAndOperations) {
  const storage::Uri file = folder_ / "a.txt";
  ASSERT_TRUE(WriteAll(*store_, file, "twelve bytes").ok());
  ASSERT_TRUE(ReadAll(*store_, file, 100).ok());
  EXPECT_FALSE(store_->Stat(folder_ / "missing").ok());

  const std::string text = Text();
  EXPECT_THAT(text, HasSubstr(R"(besa_store_bytes_total{direction="read",store="file"} 12)"));
  EXPECT_THAT(text, HasSubstr(R"(besa_store_bytes_total{direction="written",store="file"} 12)"));
  EXPECT_THAT(text, HasSubstr(R"(besa_store_operations_total{code="OK",operation="write",store="file"} 1)"));
  EXPECT_THAT(text, HasSubstr(R"(besa_store_operations_total{code="NOT_FOUND",operation="stat",store="file"} 1)"));
  EXPECT_THAT(text,
              HasSubstr(R"(besa_store_operations_total{code="RESOURCE_EXHAUSTED",operation="write",store="file"} 0)"))
      << "so that an alert sees the first one as an increase";
  EXPECT_THAT(text, HasSubstr(R"(besa_store_operation_seconds_count{operation="read",store="file"} 1)"));
}

TEST_F(MeteredStoreTest, AWriteThatIsDroppedOrFailsIsAnErrorAndNotBytes) {
  {
    ASSERT_TRUE(store_->OpenWriter(folder_ / "dropped").ok());
  }
  EXPECT_THAT(Text(), HasSubstr(R"(besa_store_operations_total{code="CANCELLED",operation="write",store="file"} 1)"));

  prometheus::Registry registry;
  auto faulty = std::make_unique<storage::FaultyStore>(
      *plain_, storage::FailOnce(storage::StoreOp::kFinish, 1, absl::UnavailableError("away")));
  const auto store = MeterStore(std::move(faulty), MakeStoreMetrics(registry, Clock::Real()));
  EXPECT_FALSE(WriteAll(*store, folder_ / "b", "bytes").ok());
  const std::string text = prometheus::TextSerializer().Serialize(registry.Collect());
  EXPECT_THAT(text, HasSubstr(R"(besa_store_operations_total{code="UNAVAILABLE",operation="write",store="file"} 1)"));
  EXPECT_THAT(text, Not(HasSubstr(R"(code="OK")")));
}

}  // namespace
}  // namespace besa

// Texts that a job is measured on, and what they came to, as people read them. Pure.
#pragma once

#include <string>
#include <vector>

#include "besa/v1/job.pb.h"

namespace besa::client {

// "/data/a.txt", "/data/a.txt and 3 more files".
std::string ShowFiles(const google::protobuf::RepeatedPtrField<std::string>& uris);

// One text of the spec: "books: /data/books.txt, 200 windows of 256 tokens, stride 128, gate: at most 1.5 times dense".
std::string DescribeEvaluation(const v1::EvaluationSpec& text);

// "perplexity of books 46.59, KL 0.61, over 51,000 tokens"
std::string DescribeMeasurement(const v1::Perplexity& measured);

// One line a text, with a heading, dense and pruned side by side; empty if nothing is measured. Figures that are not
// there yet are "-".
std::string EvaluationTable(const v1::JobResult& result);

}  // namespace besa::client

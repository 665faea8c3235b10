#include "ingress/node/file_responder.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cinttypes>
#include <cstdio>
#include <ctime>
#include <utility>

#include "ingress/node/content_type.h"
#include "ingress/node/file_conditions.h"
#include "ingress/node/http_date.h"
#include "ingress/node/open_beneath.h"
#include "ingress/node/plain_responder.h"
#include "relay/control/fd.h"
#include "relay/control/text.h"

namespace ingress {
namespace {

namespace text = relay::text;

constexpr size_t kPiece = 65'536;

class FileResponder final : public HttpResponder {
 public:
  FileResponder(HttpTransaction& transaction, ResponseHead head, relay::Fd file, FilePart part, OpenFiles& open)
      : transaction_(transaction),
        head_(std::move(head)),
        file_(std::move(file)),
        at_(part.begin),
        left_(part.size),
        open_(open) {
    open_.now.Add(1);
  }
  ~FileResponder() override { open_.now.Set(open_.now.Get() - 1); }

  void Start() override {
    transaction_.SendHead(head_);
    OnSendReady();
  }
  void OnSendReady() override {
    std::array<char, kPiece> piece;
    while (left_ > 0) {
      const ssize_t size = pread(file_.get(), piece.data(), std::min<uint64_t>(left_, kPiece), static_cast<off_t>(at_));
      if (size <= 0) return transaction_.Abort();  // It was cut short meanwhile.
      const size_t taken = transaction_.SendBody({piece.data(), static_cast<size_t>(size)});
      at_ += taken;
      left_ -= taken;
      if (taken < static_cast<size_t>(size)) return;
    }
    transaction_.Finish({});
  }
  void OnBody(std::string_view bytes) override { transaction_.Consumed(bytes.size()); }
  void OnBodyEnd(const HttpFields&) override {}
  void OnAborted() override {}

 private:
  HttpTransaction& transaction_;
  const ResponseHead head_;
  relay::Fd file_;
  uint64_t at_, left_;
  OpenFiles& open_;
};

// What a path leads to.
struct Found {
  relay::Fd fd;
  struct stat status {};
  bool is_folder() const { return fd.get() >= 0 && S_ISDIR(status.st_mode); }
  bool is_file() const { return fd.get() >= 0 && S_ISREG(status.st_mode); }
};

Found Look(relay::Fd fd) {
  Found found{.fd = std::move(fd), .status = {}};
  if (found.fd.get() >= 0 && fstat(found.fd.get(), &found.status) != 0) found.fd = relay::Fd();
  return found;
}

FileVersion VersionOf(const struct stat& status) {
  const timespec& modified = status.st_mtim;
  char etag[64];
  std::snprintf(etag, sizeof(etag), "\"%" PRIx64 ".%lx-%" PRIx64 "\"", static_cast<uint64_t>(modified.tv_sec),
                modified.tv_nsec, static_cast<uint64_t>(status.st_size));
  return {.size = static_cast<uint64_t>(status.st_size), .modified_s = modified.tv_sec, .etag = etag};
}

std::unique_ptr<HttpResponder> Serve(HttpTransaction& transaction, const RequestHead& request, Found file,
                                     std::string_view name, OpenFiles& open) {
  if (open.now.Get() >= open.most) {
    open.refused.Add(1);
    return MakeErrorResponder(transaction, 503, "too many files are open", {{"Retry-After", "1"}});
  }
  const FileVersion version = VersionOf(file.status);
  const FilePart part = WantedPart(request, version);
  HttpFields fields = {{"Date", FormatHttpDate(std::time(nullptr))},
                       {"Last-Modified", FormatHttpDate(version.modified_s)},
                       {"ETag", version.etag},
                       {"Accept-Ranges", "bytes"}};
  if (part.status == 416) {
    return MakeErrorResponder(transaction, 416, "range not satisfiable",
                              {{"Content-Range", text::Cat("bytes */", version.size)}});
  }
  if (part.status == 206) {
    fields.emplace_back("Content-Range",
                        text::Cat("bytes ", part.begin, "-", part.begin + part.size - 1, "/", version.size));
  }
  ResponseHead head{.status = part.status, .fields = std::move(fields), .content_length = {}};
  const bool whole = request.method != "HEAD" && part.status != 304;
  if (part.status != 304) {
    head.content_length = part.size;
    head.fields.emplace_back("Content-Type", ContentTypeOf(name));
    head.fields.emplace_back("X-Content-Type-Options", "nosniff");
  }
  const FilePart sent = whole ? part : FilePart{};
  return std::make_unique<FileResponder>(transaction, std::move(head), std::move(file.fd), sent, open);
}

}  // namespace

std::unique_ptr<HttpResponder> MakeFileResponder(HttpTransaction& transaction, const RequestHead& request,
                                                 const std::string& root, std::string_view path,
                                                 OpenFiles& open_files) {
  if (request.method != "GET" && request.method != "HEAD") {
    return MakeErrorResponder(transaction, 405, "method not allowed", {{"Allow", "GET, HEAD"}});
  }
  const auto not_found = [&] { return MakeErrorResponder(transaction, 404, "not found"); };
  Found base = Look(relay::Fd(open(root.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)));
  if (base.is_file() && path == "/") return Serve(transaction, request, std::move(base), root, open_files);
  if (!base.is_folder()) return not_found();

  std::string name(path.substr(std::min(path.find_first_not_of('/'), path.size())));
  Found found = Look(OpenBeneath(base.fd.get(), name));
  if (found.is_folder()) {
    const std::string_view target = request.target;
    const size_t path_end = std::min(target.find('?'), target.size());
    if (!target.substr(0, path_end).ends_with('/')) {
      return MakeRedirectResponder(transaction, 301,
                                   text::Cat(target.substr(0, path_end), "/", target.substr(path_end)));
    }
    if (!name.empty() && !name.ends_with('/')) name += '/';
    name += "index.html";
    found = Look(OpenBeneath(base.fd.get(), name));
  }
  return found.is_file() ? Serve(transaction, request, std::move(found), name, open_files) : not_found();
}

}  // namespace ingress

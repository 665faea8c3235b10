#include "ingress/frontend/pipe_pool.h"

#include <gtest/gtest.h>
#include <unistd.h>

namespace ingress {
namespace {

TEST(PipePoolTest, GivesTheSamePipeAgain) {
  PipePool pool(2);
  std::optional<Pipe> pipe = pool.Take();
  ASSERT_TRUE(pipe);
  const int fd = pipe->in.get();
  pool.Return(std::move(*pipe));
  EXPECT_EQ(pool.Take()->in.get(), fd);
  EXPECT_EQ(pool.open(), 1u);
}

TEST(PipePoolTest, HasSoManyAndNoMore) {
  PipePool pool(2);
  std::optional<Pipe> first = pool.Take();
  std::optional<Pipe> second = pool.Take();
  ASSERT_TRUE(first && second);
  EXPECT_FALSE(pool.Take());
  pool.Return(std::move(*first));
  EXPECT_TRUE(pool.Take());
}

TEST(PipePoolTest, ADroppedPipeIsClosedAndMakesRoom) {
  PipePool pool(1);
  std::optional<Pipe> pipe = pool.Take();
  ASSERT_TRUE(pipe);
  ASSERT_EQ(write(pipe->in.get(), "secret", 6), 6);
  const int fd = pipe->out.get();
  pool.Drop(std::move(*pipe));
  char byte;
  EXPECT_EQ(read(fd, &byte, 1), -1);
  std::optional<Pipe> next = pool.Take();
  ASSERT_TRUE(next);
  EXPECT_EQ(read(next->out.get(), &byte, 1), -1);  // Nothing in it.
}

}  // namespace
}  // namespace ingress

# PostgreSQL's common image with pgmq_c in it.
#
#   docker build -t pgmq_c .
#   docker build -t pgmq_c:15 --build-arg PG_MAJOR=15 .
#   docker run -e POSTGRES_PASSWORD=secret -p 5432:5432 pgmq_c
#
# Then, in any database: CREATE EXTENSION pgmq_c (or, from a client that was
# written for PGMQ, CREATE EXTENSION pgmq).

ARG PG_MAJOR=17

FROM postgres:${PG_MAJOR} AS build
ARG PG_MAJOR
RUN apt-get update && apt-get install -y --no-install-recommends \
	gcc libc6-dev make postgresql-server-dev-${PG_MAJOR}
COPY . /src
RUN make -C /src with_llvm=no \
		PG_CONFIG=/usr/lib/postgresql/${PG_MAJOR}/bin/pg_config \
		DESTDIR=/installed install install-pgmq

FROM postgres:${PG_MAJOR}
ARG PG_MAJOR
COPY --from=build /installed /
# The sample that a new cluster's postgresql.conf is made of. For a cluster
# that is there already: docker run .. pgmq_c -c
# shared_preload_libraries=pgmq_c
RUN echo "shared_preload_libraries = 'pgmq_c'" \
	>>/usr/share/postgresql/${PG_MAJOR}/postgresql.conf.sample

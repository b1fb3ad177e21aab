-- The roles of one deployment and its database, made by psql as a superuser:
--
--   KAKEHASHI_SECRETS=/folder psql -v ON_ERROR_STOP=1 -d postgres -f roles.sql
--
-- The folder holds the passwords, one a file: postgres-owner, postgres-gateway,
-- postgres-auditor. Doing it again gives the roles the passwords that stand there now. With
-- -v name=matsuyama the three are matsuyama_owner, matsuyama and matsuyama_auditor and the
-- database is matsuyama: several municipalities share a server, not a role.
--
-- The owner makes and changes the tables, by `kakehashi migrate` alone (database.owner_url).
-- The gateway (database.url) can neither change nor delete an entry of the record, and makes
-- no table. The auditor (database.auditor) reads the record and nothing else. Which role may
-- do what to which table is given by `kakehashi migrate`, not here.
\set ON_ERROR_STOP on
\if :{?name} \else \set name kakehashi \endif
\set owner :name _owner
\set auditor :name _auditor
\set owner_password `cat "${KAKEHASHI_SECRETS:?}/postgres-owner"`
\set gateway_password `cat "${KAKEHASHI_SECRETS:?}/postgres-gateway"`
\set auditor_password `cat "${KAKEHASHI_SECRETS:?}/postgres-auditor"`

-- Passwords stand in statements below; none of them goes to the server's log.
SET log_statement = 'none';
SET log_min_error_statement = 'panic';
SET log_min_duration_statement = -1;

SELECT format('CREATE ROLE %I', role) FROM unnest(ARRAY[:'owner', :'name', :'auditor']) AS role
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role) \gexec
ALTER ROLE :"owner" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS PASSWORD :'owner_password';
ALTER ROLE :"name" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS PASSWORD :'gateway_password';
ALTER ROLE :"auditor" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS PASSWORD :'auditor_password';

SELECT format('CREATE DATABASE %I ENCODING ''UTF8'' TEMPLATE template0', :'name')
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'name') \gexec
-- Nobody else comes in, and only the owner makes schemas.
REVOKE ALL ON DATABASE :"name" FROM PUBLIC;
GRANT CONNECT, CREATE, TEMPORARY ON DATABASE :"name" TO :"owner";
GRANT CONNECT ON DATABASE :"name" TO :"name", :"auditor";
\connect :"name"
REVOKE ALL ON SCHEMA public FROM PUBLIC;

# META.json is what PGXN accepts (https://pgxn.org/meta/spec.txt, version 1.0.0),
# all files that say the version of the product say that of the control file, and
# all that say which Node.js the console needs agree.
use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;

my $root = abs_path(dirname(__FILE__) . '/../..');
my $meta = decode_json(slurp_file("$root/META.json"));
my ($version) = slurp_file("$root/pgmq_c.control") =~ /^default_version = '(.*)'$/m;
my $semver = qr/\A(?:0|[1-9]\d*)\.(?:0|[1-9]\d*)\.(?:0|[1-9]\d*)(?:-[0-9A-Za-z.-]+)?\z/;

sub is_text
{
	my ($value) = @_;

	return defined $value && !ref $value && length $value;
}

# The keys that must be there, those that can be, and no other.
my %required = map { $_ => 1 } qw(abstract maintainer license provides name version meta-spec);
my %optional = map { $_ => 1 } qw(description generated_by tags no_index prereqs release_status resources);
is(join(' ', grep { !exists $meta->{$_} } sort keys %required), '', 'every required key is there');
is(join(' ', grep { !$required{$_} && !$optional{$_} && !/^[xX]_/ } sort keys %$meta),
	'', 'there is no unknown key');
ok(is_text($meta->{$_}), "$_ is text") foreach qw(abstract description generated_by maintainer license);
like($meta->{name}, qr/\A[^\/\\\p{Cntrl}\s]{2,}\z/, 'the name is a term');
like($meta->{version}, $semver, 'the version is a semantic one');
is($meta->{license}, 'postgresql', 'the licence is one of the names of the specification');
is($meta->{'meta-spec'}{version}, '1.0.0', 'the version of the specification');
like($meta->{'meta-spec'}{url}, qr{\Ahttps?://pgxn\.org/meta/spec\.txt\z}, '.. and where it is');
ok(@{ $meta->{tags} } && !(grep { !is_text($_) || length > 255 } @{ $meta->{tags} }), 'tags are texts');

# What it provides: the extension of this name, by files that are there.
is(join(' ', sort keys %{ $meta->{provides} }), 'pgmq_c', 'it provides the extension');
my $provided = $meta->{provides}{pgmq_c};
like($provided->{version}, $semver, '.. in a semantic version');
ok(is_text($provided->{$_}) && -e "$root/$provided->{$_}", ".. whose $_ is there") foreach qw(file docfile);
is($provided->{file}, "pgmq_c--$version.sql", '.. and is the script that installs it');

foreach my $phase (sort keys %{ $meta->{prereqs} })
{
	like($phase, qr/\A(?:configure|build|test|runtime|develop)\z/, "phase $phase");
	foreach my $relation (sort keys %{ $meta->{prereqs}{$phase} })
	{
		my $needs = $meta->{prereqs}{$phase}{$relation};

		like($relation, qr/\A(?:requires|recommends|suggests|conflicts)\z/, ".. $relation");
		like($needs->{$_}, $semver, ".. $_") foreach sort keys %$needs;
	}
}
my ($oldest) = slurp_file("$root/tools/lib.sh") =~ /^oldest_major=(\d+)$/m;
is($meta->{prereqs}{runtime}{requires}{PostgreSQL}, "$oldest.0.0", 'the oldest server that it needs');

# The version is that of the control file.
is($meta->{version}, $version, 'META.json has the version of the control file');
is($provided->{version}, $version, '.. twice');
like(slurp_file("$root/debian/changelog"), qr/\Apgmq-c \(\Q$version\E\) /, "Debian's changelog begins with it");
like(slurp_file("$root/CHANGELOG.md"), qr/^## \Q$version\E\b/m, 'CHANGELOG.md has it');
like((slurp_file("$root/CHANGELOG.md") =~ /^(## .*)$/m)[0],
	qr/\Q$version\E|[Uu]nreleased/, '.. first, or after what is not released');
ok(-e "$root/pgmq_c--$version.sql", 'there is a script that installs it');
ok((grep { /--\Q$version\E\.sql$/ } glob("$root/pgmq_c--*--*.sql")), '.. and one that updates to it');

# The Node.js that the console needs.
my ($node) = slurp_file("$root/console/package.json") =~ /"node": ">=([\d.]+)"/;
like(slurp_file("$root/docs/operations/console.md"), qr/Node\.js $node or later/, 'the manual says which Node.js');
my ($major, $minor) = split /\./, $node;
like(slurp_file("$root/console/run.sh"), qr/\+major > $major .*\+minor >= $minor\).*Node\.js $node or later/s,
	'.. and make console refuses an older one');

done_testing();

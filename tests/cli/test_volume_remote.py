"""Volumes from git commits, container images and registries, and volumes sent to these."""

import os
import time

from registry import Registry
import scenario
from test_image import Layout, member


class Remote(Registry):
    packages = ()

    def commit(self):
        env = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b",
               "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b"}
        self.write("repo/www/page", "from git\n")
        self.write("repo/other", "not wanted\n")
        for args in (["init", "-q"], ["add", "."], ["commit", "-qm", "one"]):
            self.tool("git", "-C", "repo", *args, env=env)
        return self.tool("git", "-C", "repo", "rev-parse", "HEAD", env=env).strip()

    def test_git(self):
        commit = self.commit()
        url = f"git+file://{self.path('work/repo')}#{commit}"
        self.uni("volume", "create", "all.vol", "--from", url)
        self.assertEqual([line.split()[-1] for line in self.uni("volume", "ls", "all.vol").splitlines()], ["other", "www"])
        self.uni("volume", "create", "www.vol", "--from", url + ":www", "--size", "8M")
        self.assertEqual(self.uni("volume", "cat", "www.vol:/page"), "from git\n")
        self.uni("volume", "copy", url, "www.vol")
        self.assertEqual(self.uni("volume", "cat", "www.vol:/other"), "not wanted\n")
        self.assertIn("is not git+URL#COMMIT", self.fails("volume", "copy", url[:-3], "www.vol", status=2))
        self.assertIn("not written to", self.fails("volume", "copy", "www.vol", url))

    def test_a_container_image(self):
        image = Layout(os.path.join(self.work, "layout"))
        image.layer(member("srv"), member("srv/www"), member("srv/www/page", "from an image\n"))
        image.finish()
        self.tool("skopeo", "copy", "-q", "--all", "--dest-tls-verify=false", "oci:layout:v1", f"docker://{self.host}/site:v1")
        self.uni("volume", "create", "site.vol", "--from", f"oci://{self.host}/site:v1//srv/www")
        self.assertEqual(self.uni("volume", "cat", "site.vol:/page"), "from an image\n")
        self.uni("volume", "create", "all.squashfs", "--from", f"oci://{self.host}/site:v1", "--format", "squashfs")
        self.assertEqual(self.uni("volume", "cat", "all.squashfs:/srv/www/page"), "from an image\n")
        self.assertIn("nowhere", self.fails("volume", "create", "no.vol", "--from", f"oci://{self.host}/site:v1//nowhere"))

    def test_what_was_pushed(self):
        self.write("site/page", "one\n")
        self.uni("volume", "create", "site.vol", "--from", "site", "--size", "8M")
        self.uni("volume", "copy", "site.vol", f"oci://{self.host}/volumes/site:1")
        self.uni("volume", "create", "back.vol", "--from", f"oci://{self.host}/volumes/site:1", "--size", "8M")
        self.assertEqual(self.uni("volume", "cat", "back.vol:/page"), "one\n")
        self.write("site/page", "two\n")
        self.uni("volume", "copy", "site", "site.vol")
        self.uni("volume", "copy", "site.vol", f"oci://{self.host}/volumes/site:2")
        self.uni("volume", "copy", f"oci://{self.host}/volumes/site:2", "back.vol")
        self.assertEqual(self.uni("volume", "cat", "back.vol:/page"), "two\n")
        self.assertEqual(self.uni("volume", "cat", "--before", "back.vol:/page"), "one\n")
        self.assertNothingLeft(self.work)

    def test_bandwidth(self):
        self.write("site/page", os.urandom(3 << 20))
        self.uni("volume", "create", "site.vol", "--from", "site", "--size", "20M")
        self.write("site/page", os.urandom(3 << 20))
        begin = time.monotonic()
        self.uni("volume", "copy", "site", "site.vol", "--bandwidth", "2M")
        self.assertGreater(time.monotonic() - begin, 1)


if __name__ == "__main__":
    scenario.main()

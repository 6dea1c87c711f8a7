#!/usr/bin/env python3
"""botocore and uni in the same surroundings find the same credentials.

A server of its own plays the metadata service, the container's endpoint, STS, the single sign-on portal and EC2; each
case is an environment and two files. What botocore resolves must be what uni signs with, and no secret is ever said."""

import datetime
import hashlib
import http.server
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import urllib.parse

BUILD = sys.argv[1]
UNI = os.path.join(BUILD, "bin/uni")
REGION = "eu-central-1"
# For each surroundings, as a line of JSON says them, what botocore finds there: key and session token, "-" for none. A child
# each, so that the library is loaded once.
ASK = """import botocore.session, json, os, sys
for line in sys.stdin:
    child = os.fork()
    if child == 0:
        try:
            env, profile = json.loads(line)
            os.environ.clear()
            os.environ.update(env)
            found = botocore.session.Session(profile=profile).get_credentials()
            found = found.get_frozen_credentials() if found is not None else None
            print(found.access_key if found else "-", found.token or "-" if found else "-", flush=True)
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    print(flush=True)
"""
KEYS = "aws_access_key_id = {0}\naws_secret_access_key = SECRET-{0}\n"
ENVIRONMENT = {"AWS_ACCESS_KEY_ID": "AKIDENV", "AWS_SECRET_ACCESS_KEY": "SECRET-AKIDENV"}
LATER = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=2)).strftime("%Y-%m-%dT%H:%M:%SZ")


def temporary(name):
    return {"AccessKeyId": name, "SecretAccessKey": "SECRET-" + name, "Token": "TOKEN-" + name, "Expiration": LATER}


class Around(http.server.BaseHTTPRequestHandler):
    """All services that are asked for credentials, and an EC2 that notes who asks."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # headers and body go in two pieces, the second without a wait for the first
    seen = []

    def log_message(self, *args):
        pass

    def reply(self, body, status=200, kind="text/plain"):
        body = body if isinstance(body, bytes) else body.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_PUT(self):
        if self.path != "/imds/latest/api/token" or not self.headers.get("X-aws-ec2-metadata-token-ttl-seconds"):
            return self.reply("", 400)
        return self.reply("IMDS-TOKEN")

    def do_GET(self):
        if self.path.startswith("/imds/"):
            if self.headers.get("X-aws-ec2-metadata-token") != "IMDS-TOKEN":
                return self.reply("", 401)
            role = "/imds/latest/meta-data/iam/security-credentials/"
            if self.path == role:
                return self.reply("web-role")
            return self.reply(json.dumps({"Code": "Success", **temporary("ASIAIMDS")}))
        if self.path.startswith("/container"):
            if self.headers.get("Authorization", "") != urllib.parse.unquote(self.path.partition("?")[2]):
                return self.reply("", 403)
            return self.reply(json.dumps(temporary("ASIACONTAINER")), kind="application/json")
        if self.path.startswith("/federation/credentials"):
            asked = dict(urllib.parse.parse_qsl(self.path.partition("?")[2]))
            if self.headers.get("x-amz-sso_bearer_token") != "BEARER" or asked.get("account_id") != "111122223333":
                return self.reply("{}", 401, "application/json")
            name = "ASIASSO" + asked["role_name"].upper()
            return self.reply(json.dumps({"roleCredentials": {
                "accessKeyId": name, "secretAccessKey": "SECRET-" + name, "sessionToken": "TOKEN-" + name,
                "expiration": 4102444800000}}), kind="application/json")
        return self.reply("", 404)

    def do_POST(self):
        form = dict(urllib.parse.parse_qsl(self.rfile.read(int(self.headers["Content-Length"])).decode()))
        if form["Action"] == "DescribeImages":
            signed = self.headers["Authorization"].split("Credential=")[1].split("/")[0]
            self.seen.append((signed, self.headers.get("X-Amz-Security-Token", "-")))
            return self.reply("<DescribeImagesResponse><imagesSet/></DescribeImagesResponse>", kind="text/xml")
        # A role's keys carry who took it on, so that the chain can be compared.
        by = self.headers.get("Authorization", "Credential=WEB/").split("Credential=")[1].split("/")[0]
        name = "ASIA" + form["RoleArn"].rsplit("/", 1)[1].upper() + "BY" + by
        keys = (f"<AccessKeyId>{name}</AccessKeyId><SecretAccessKey>SECRET-{name}</SecretAccessKey>"
                f"<SessionToken>TOKEN-{name}</SessionToken><Expiration>{LATER}</Expiration>")
        action = form["Action"]
        return self.reply(f"<{action}Response><{action}Result><Credentials>{keys}</Credentials><AssumedRoleUser><Arn>a</Arn>"
                          f"<AssumedRoleId>i:s</AssumedRoleId></AssumedRoleUser></{action}Result></{action}Response>",
                          kind="text/xml")


def cases(url, home):
    """(name, environment, config, credentials, profile)."""
    process = os.path.join(home, "give.sh")
    with open(process, "w", encoding="ascii") as f:
        answer = {"Version": 1, **temporary("ASIAPROCESS")}
        answer["SessionToken"] = answer.pop("Token")
        f.write(f"#!/bin/sh\n[ \"$1\" = 'two words' ] && echo '{json.dumps(answer)}'\n")
    os.chmod(process, 0o755)
    token = os.path.join(home, "token")
    with open(token, "w", encoding="ascii") as f:
        f.write("a.b.c")
    bearer = os.path.join(home, "bearer")
    with open(bearer, "w", encoding="ascii") as f:
        f.write("from-file")
    imds = {"AWS_EC2_METADATA_DISABLED": "false", "AWS_EC2_METADATA_SERVICE_ENDPOINT": url + "/imds/"}
    role = "role_arn = arn:aws:iam::111122223333:role/"
    command = f"credential_process = {process} \"two words\"\n"
    web = f"{role}pod\nweb_identity_token_file = {token}\n"
    login = "sso_account_id = 111122223333\nsso_role_name = reader\n"
    old = f"{login}sso_start_url = https://old.example/start\nsso_region = {REGION}\n"
    new = f"[sso-session corp]\nsso_start_url = https://corp.example/start\nsso_region = {REGION}\n"
    web_environment = {"AWS_ROLE_ARN": "arn:aws:iam::111122223333:role/env", "AWS_WEB_IDENTITY_TOKEN_FILE": token}
    container = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": url + "/container?Bearer%201",
                 "AWS_CONTAINER_AUTHORIZATION_TOKEN": "Bearer 1"}
    return [
        ("nothing", {}, "", "", None),
        ("environment", ENVIRONMENT, "", "", None),
        ("environment with token", {**ENVIRONMENT, "AWS_SESSION_TOKEN": "TOKEN-ENV"}, "", "", None),
        ("environment before files", ENVIRONMENT, "", "[default]\n" + KEYS.format("AKIDFILE"), None),
        ("environment before AWS_PROFILE", {**ENVIRONMENT, "AWS_PROFILE": "b"}, "", "[b]\n" + KEYS.format("AKIDB"), None),
        ("a profile that is named before the environment", ENVIRONMENT, "", "[b]\n" + KEYS.format("AKIDB"), "b"),
        ("config file", {}, "[default]\n" + KEYS.format("AKIDCONFIG"), "", None),
        ("credentials before config", {}, "[default]\n" + KEYS.format("AKIDCONFIG"), "[default]\n" + KEYS.format("AKIDFILE"), None),
        ("process before config's keys", {}, "[default]\n" + KEYS.format("AKIDCONFIG") + command, "", None),
        ("credentials' keys before process", {}, "[default]\n" + command, "[default]\n" + KEYS.format("AKIDFILE"), None),
        ("process", {"AWS_PROFILE": "p"}, "[profile p]\n" + command, "", None),
        ("role of a source profile", {}, f"[profile a]\n{role}ops\nsource_profile = b\n", "[b]\n" + KEYS.format("AKIDB"), "a"),
        ("role before the web identity of the environment", {**web_environment, "AWS_PROFILE": "a"},
         f"[profile a]\n{role}ops\nsource_profile = b\n", "[b]\n" + KEYS.format("AKIDB"), None),
        ("chain of roles", {}, f"[profile a]\n{role}ops\nsource_profile = b\n[profile b]\n{role}base\nsource_profile = c\n",
         "[c]\n" + KEYS.format("AKIDC"), "a"),
        ("keys of a source that has a role too", {}, f"[profile a]\n{role}ops\nsource_profile = b\n"
         f"[profile b]\n{role}base\nsource_profile = c\n" + KEYS.format("AKIDB"), "[c]\n" + KEYS.format("AKIDC"), "a"),
        ("a profile that is its own source", {}, f"[profile a]\n{role}ops\nsource_profile = a\n" + KEYS.format("AKIDA"), "", "a"),
        ("a source by process", {}, f"[profile a]\n{role}ops\nsource_profile = p\n[profile p]\n{command}", "", "a"),
        ("a source by web identity", {}, f"[profile a]\n{role}ops\nsource_profile = p\n[profile p]\n{web}", "", "a"),
        ("a source by single sign-on", {}, f"[profile a]\n{role}ops\nsource_profile = p\n[profile p]\n{old}", "", "a"),
        ("source: the environment", {**ENVIRONMENT}, f"[profile a]\n{role}ops\ncredential_source = Environment\n", "", "a"),
        ("source: the instance", imds, f"[profile a]\n{role}ops\ncredential_source = Ec2InstanceMetadata\n", "", "a"),
        ("source: the container", container, f"[profile a]\n{role}ops\ncredential_source = EcsContainer\n", "", "a"),
        ("web identity of the environment", web_environment, "", "", None),
        ("web identity of the environment before a profile's keys", web_environment, "", "[default]\n" + KEYS.format("AKIDFILE"), None),
        ("web identity of a profile", {}, "[default]\n" + web, "", None),
        ("single sign-on, old", {}, "[default]\n" + old, "", None),
        ("single sign-on, session", {}, f"[profile s]\nsso_session = corp\n{login}{new}", "", "s"),
        ("single sign-on before keys", {}, "[default]\n" + old, "[default]\n" + KEYS.format("AKIDFILE"), None),
        ("container", container, "", "", None),
        ("container, token in a file", {**container, "AWS_CONTAINER_CREDENTIALS_FULL_URI": url + "/container?from-file",
                                        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": bearer}, "", "", None),
        ("container before instance", {**container, **imds}, "", "", None),
        ("instance", imds, "", "", None),
        ("instance, turned off", {**imds, "AWS_EC2_METADATA_DISABLED": "True"}, "", "", None),
        ("a profile's keys before the instance", imds, "", "[default]\n" + KEYS.format("AKIDFILE"), None),
        ("an endpoint in services", {"AWS_ENDPOINT_URL": "", "AWS_ENDPOINT_URL_STS": ""},
         f"[default]\nservices = here\n{role}ops\nsource_profile = b\n[profile b]\n" + KEYS.format("AKIDB") +
         f"[services here]\nsts =\n  endpoint_url = {url}\nec2 =\n  endpoint_url = {url}\n", "", None),
    ]


def cache_logins(home):
    os.makedirs(os.path.join(home, ".aws/sso/cache"))
    for name in ("https://old.example/start", "corp"):
        path = os.path.join(home, ".aws/sso/cache", hashlib.sha1(name.encode()).hexdigest() + ".json")
        with open(path, "w", encoding="ascii") as f:
            json.dump({"accessToken": "BEARER", "expiresAt": LATER, "region": REGION, "startUrl": name}, f)


class Botocore:
    def __init__(self, home):
        # It looks up where tokens are cached when it is loaded.
        self.process = subprocess.Popen([sys.executable, "-c", ASK], env={**os.environ, "HOME": home}, text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def finds(self, env, profile):
        self.process.stdin.write(json.dumps([env, profile]) + "\n")
        self.process.stdin.flush()
        said = iter(self.process.stdout.readline, "\n")
        return tuple("".join(said).split())

    def end(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def judge(home, url, botocore, case):
    name, environment, config, credentials, profile = case
    env = {k: v for k, v in os.environ.items() if not k.startswith(("UNI_", "XDG_", "AWS_"))}
    env.update(HOME=home, XDG_STATE_HOME=home + "/state", UNI_CACHE=home + "/store", no_proxy="127.0.0.1",
               AWS_DEFAULT_REGION=REGION, AWS_ENDPOINT_URL=url, AWS_EC2_METADATA_DISABLED="true")
    env.update(environment)
    env = {k: v for k, v in env.items() if v != ""}
    for file, text in (("config", config), ("credentials", credentials)):
        with open(os.path.join(home, ".aws", file), "w", encoding="ascii") as f:
            f.write(text)
    wanted = botocore.finds(env, profile)
    Around.seen.clear()
    more = ["--profile", profile] if profile else []
    ours = subprocess.run([UNI, "ami", "list", f"ec2://{REGION}", *more], env=env, capture_output=True, text=True, check=False)
    explained = subprocess.run([UNI, "push", "x.ami", f"ec2://{REGION}/", "--explain-credentials", *more], env=env,
                               capture_output=True, text=True, check=False)
    for text in (ours.stdout, ours.stderr, explained.stdout, explained.stderr):
        assert "SECRET-" not in text and "TOKEN-" not in text and "BEARER" not in text, (name, text)
    if wanted == ("-", "-"):
        assert ours.returncode != 0 and "no AWS credentials" in ours.stderr and not Around.seen, (name, ours)
        return wanted
    assert len(wanted) == 2, name
    assert Around.seen == [wanted], (name, Around.seen, wanted, ours.stderr)
    assert explained.returncode == 0 and explained.stdout.strip(), (name, explained)
    return wanted


def main():
    home = tempfile.mkdtemp(prefix="uni-credentials-")
    botocore = Botocore(home)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Around)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        cache_logins(home)
        found = [judge(home, url, botocore, case) for case in cases(url, home)]
    finally:
        server.shutdown()
        botocore.end()
        shutil.rmtree(home, ignore_errors=True)
    print(f"botocore and uni agree in {len(found)} cases, on {len(set(found))} different answers")


if __name__ == "__main__":
    main()

"""A strict double of the calls that uni makes of EC2, EBS and STS, for faults that no emulator makes.

It believes nothing: signatures are computed anew from the request as it came, blocks are hashed, counts and aggregated
checksums compared, states kept. It can refuse, delay, cut off and forget. Only the standard library is used."""

import base64
import contextlib
import datetime
import hashlib
import hmac
import http.server
import json
import re
import select
import socket
import socketserver
import threading
import time
import urllib.parse
from xml.sax.saxutils import escape

BLOCK = 524288
ALLOWED_SKEW = 300


class Refused(Exception):
    """An answer that is an error of the service."""

    def __init__(self, status, code, message="", headers=None):
        super().__init__(code)
        self.status, self.code, self.message, self.headers = status, code, message, headers or {}


class Fault:
    """What happens to calls of one action: `kind` is a status with a code, "cut", "stall", "late" or "lost". What is
    stalled is never done when the caller goes away meanwhile; what is late is done all the same."""

    def __init__(self, action, kind, times=1, code="InternalError", after=0, seconds=0.0, headers=None):
        self.action, self.kind, self.times, self.code = action, kind, times, code
        self.after, self.seconds, self.headers = after, seconds, headers or {}


class Account:
    """Users and what they may do, and everything that was made."""

    def __init__(self):
        self.lock = threading.RLock()
        self.keys = {"AKIDEXAMPLE": {"secret": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "token": None,
                                     "allowed": None}}
        self.page = 10000  # blocks in a list, at most
        self.damage = lambda block: block  # of what is read back
        self.snapshots, self.images, self.instances, self.tokens = {}, {}, {}, {}
        self.serial = 0
        self.calls = []
        self.faults = []
        self.clock = time.time
        self.copies_wait = 0
        self.encrypt = False
        self.catch_up = lambda: None  # with blocks that a front has taken
        self.seals = "completed"  # the state of a snapshot when all blocks are there

    def new_id(self, prefix):
        self.serial += 1
        return f"{prefix}-{self.serial:017x}"

    def count(self, action):
        """Calls of that action, but for those about block maps, which are kept beside all that is pushed."""
        return sum(1 for call in self.calls if call["action"] == action and not call["map"])

    def take(self, snapshot, index, digest, body=None):
        """A block that is what it says; `body` None where only its digest is known."""
        if index >= snapshot["size"] * 2048:
            raise Refused(400, "ValidationException", "beyond the volume")
        with self.lock:
            if snapshot["state"] != "pending":
                raise Refused(400, "ValidationException", "the snapshot is sealed")
            snapshot["put"][index] = digest
            snapshot["blocks"][index] = body

    @property
    def disks(self):
        """The snapshots that hold disks."""
        return {name: s for name, s in self.snapshots.items() if "uni:map-of" not in s["tags"]}

    def is_map(self, action, target, body):
        if action == "StartSnapshot":
            return b"uni:map-of" in body
        name = next((part for part in target.split("/") if part.startswith("snap-")), None)
        return name in self.snapshots and name not in self.disks


def quote(text, safe="-._~"):
    return urllib.parse.quote(text, safe=safe)


def canonical_query(query):
    pairs = [part.partition("=")[::2] for part in query.split("&") if part]
    plain = [(urllib.parse.unquote(k), urllib.parse.unquote(v)) for k, v in pairs]
    return "&".join(f"{k}={v}" for k, v in sorted((quote(k), quote(v)) for k, v in plain))


def signature(secret, method, path, query, headers, signed, payload, scope, date):
    lines = "".join(f"{name}:{' '.join(headers[name].split())}\n" for name in signed)
    canonical = "\n".join([method, quote(path, "/-._~"), canonical_query(query), lines, ";".join(signed), payload])
    to_sign = "\n".join(["AWS4-HMAC-SHA256", date, "/".join(scope),
                         hashlib.sha256(canonical.encode()).hexdigest()])
    key = ("AWS4" + secret).encode()
    for part in scope:
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()


def authenticate(account, request):
    """Who calls; refuses what is not signed as Signature Version 4 says."""
    headers, service = request.headers, request.service
    form, _, rest = headers.get("authorization", "").partition(" ")
    fields = dict(part.strip().split("=", 1) for part in rest.split(",") if "=" in part)
    if form != "AWS4-HMAC-SHA256" or set(fields) != {"Credential", "SignedHeaders", "Signature"}:
        raise Refused(403, "MissingAuthenticationToken", "not signed")
    access, *scope = fields["Credential"].split("/")
    user = account.keys.get(access)
    if user is None:
        raise Refused(403, "InvalidClientTokenId", "no such key")
    if user.get("expires", request.arrived) < request.arrived:
        raise Refused(403, "ExpiredTokenException" if service == "ebs" else "RequestExpired", "the keys have expired")
    date, signed = headers.get("x-amz-date", ""), fields["SignedHeaders"].split(";")
    stamp = datetime.datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.timezone.utc).timestamp()
    if abs(stamp - account.clock()) > ALLOWED_SKEW:
        raise Refused(403, "RequestTimeTooSkewed", "the clocks differ")
    if len(scope) != 4 or scope[0] != date[:8] or scope[2] != service or scope[3] != "aws4_request":
        raise Refused(403, "SignatureDoesNotMatch", f"credential for {scope}, not {service}")
    must = {"host"} | {name for name in headers if name.startswith("x-amz-")}
    if signed != sorted(signed) or not must <= set(signed):
        raise Refused(403, "SignatureDoesNotMatch", f"unsigned: {must - set(signed)}")
    if headers.get("x-amz-security-token") != user["token"]:
        raise Refused(403, "InvalidClientTokenId", "wrong session token")
    payload = headers.get("x-amz-content-sha256", hashlib.sha256(request.body).hexdigest())
    if payload != "UNSIGNED-PAYLOAD" and payload != hashlib.sha256(request.body).hexdigest():
        raise Refused(403, "SignatureDoesNotMatch", "the body is not what was signed")
    path, _, query = request.target.partition("?")
    wanted = signature(user["secret"], request.method, path, query, headers, signed, payload, scope, date)
    if not hmac.compare_digest(wanted, fields["Signature"]):
        raise Refused(403, "SignatureDoesNotMatch", "the signature is another")
    return user, scope[1]


def allow(user, service, action):
    if user["allowed"] is not None and f"{service}:{action}" not in user["allowed"]:
        raise Refused(400 if service == "ebs" else 403,
                      "AccessDeniedException" if service == "ebs" else "UnauthorizedOperation",
                      f"User: arn:aws:iam::1:user/u is not authorized to perform: {service}:{action} on resource: *")


def tags_of(form, prefix):
    tags, n = {}, 1
    while f"{prefix}.{n}.Key" in form:
        tags[form[f"{prefix}.{n}.Key"]] = form.get(f"{prefix}.{n}.Value", "")
        n += 1
    return tags


def spec_tags(form, kind):
    n = 1
    while f"TagSpecification.{n}.ResourceType" in form:
        if form[f"TagSpecification.{n}.ResourceType"] == kind:
            return tags_of(form, f"TagSpecification.{n}.Tag")
        n += 1
    return {}


def elements(**values):
    """XML of that which is not None."""
    return "".join(f"<{name}>{value}</{name}>" for name, value in values.items() if value is not None)


def items(each):
    return "".join(f"<item>{one}</item>" for one in each)


def tag_xml(tags):
    return f"<tagSet>{items(elements(key=escape(k), value=escape(v)) for k, v in tags.items())}</tagSet>"


class Ebs:
    """The direct APIs."""

    def __init__(self, account):
        self.account = account

    @staticmethod
    def action(method, parts):
        if method == "POST" and parts == ["snapshots"]:
            return "StartSnapshot"
        if method == "POST" and parts[:2] == ["snapshots", "completion"]:
            return "CompleteSnapshot"
        if len(parts) == 4 and parts[2] == "blocks":
            return {"PUT": "PutSnapshotBlock", "GET": "GetSnapshotBlock"}.get(method)
        if method == "GET" and len(parts) == 3 and parts[2] == "blocks":
            return "ListSnapshotBlocks"
        return None

    def snapshot(self, region, name):
        found = self.account.snapshots.get(name)
        if found is None or found["region"] != region:
            raise Refused(404, "ResourceNotFoundException", "no such snapshot")
        return found

    def start(self, region, body):
        ask = json.loads(body)
        if not 1 <= ask["VolumeSize"] <= 65536:
            raise Refused(400, "ValidationException", "VolumeSize")
        token = ask.get("ClientToken")
        if token in self.account.tokens:
            name, before = self.account.tokens[token]
            if before != ask:
                raise Refused(409, "ConflictException", "the same token for another snapshot")
        else:
            name = self.account.new_id("snap")
            blocks = {}
            if "ParentSnapshotId" in ask:
                parent = self.snapshot(region, ask["ParentSnapshotId"])
                if parent["state"] != "completed" or parent["size"] > ask["VolumeSize"]:
                    raise Refused(400, "ValidationException", "ParentSnapshotId")
                blocks = dict(parent["blocks"])
            self.account.snapshots[name] = {
                "region": region, "size": ask["VolumeSize"], "state": "pending", "blocks": blocks, "put": {},
                "tags": {t["Key"]: t["Value"] for t in ask.get("Tags", [])}, "serial": self.account.serial,
                "parent": ask.get("ParentSnapshotId"),
                "description": ask.get("Description", "")}
            if token:
                self.account.tokens[token] = name, ask
        answer = {"SnapshotId": name, "BlockSize": BLOCK, "VolumeSize": ask["VolumeSize"], "Status": "pending"}
        if self.account.encrypt:
            answer["KmsKeyArn"] = "arn:aws:kms:r:1:key/k"
        return 201, answer

    def put(self, region, name, index, headers, body):
        snapshot, index = self.snapshot(region, name), int(index)
        digest = hashlib.sha256(body).digest()
        # boto3 signs the body where there is no TLS, and then does not say so.
        if headers.get("x-amz-content-sha256", "UNSIGNED-PAYLOAD") != "UNSIGNED-PAYLOAD":
            raise Refused(400, "ValidationException", "x-amz-content-sha256")
        if headers.get("x-amz-data-length") != str(BLOCK) or len(body) != BLOCK:
            raise Refused(400, "ValidationException", "x-amz-data-length")
        if headers.get("x-amz-checksum-algorithm") != "SHA256" or \
                headers.get("x-amz-checksum") != base64.b64encode(digest).decode():
            raise Refused(400, "ValidationException", "x-amz-checksum")
        self.account.take(snapshot, index, digest, body)
        return 201, {}

    def complete(self, region, name, headers):
        self.account.catch_up()
        snapshot = self.snapshot(region, name)
        linear = hashlib.sha256(b"".join(snapshot["put"][i] for i in sorted(snapshot["put"]))).digest()
        if headers.get("x-amz-changedblockscount") != str(len(snapshot["put"])):
            raise Refused(400, "ValidationException", "x-amz-ChangedBlocksCount")
        if headers.get("x-amz-checksum-aggregation-method") != "LINEAR" or \
                headers.get("x-amz-checksum") != base64.b64encode(linear).decode():
            raise Refused(400, "ValidationException", "x-amz-Checksum")
        snapshot["state"] = self.account.seals
        return 202, {"Status": "completed"}

    @staticmethod
    def token(name, index):
        return base64.b64encode(hashlib.sha256(f"{name}/{index}".encode()).digest()).decode()

    def sealed(self, region, name):
        snapshot = self.snapshot(region, name)
        if snapshot["state"] != "completed":
            raise Refused(400, "ValidationException", "the snapshot is not completed")
        return snapshot

    def list_blocks(self, region, name, query):
        snapshot = self.sealed(region, name)
        most = int(query["maxResults"])
        if not 100 <= most <= 10000 or set(query) - {"maxResults", "pageToken", "startingBlockIndex"}:
            raise Refused(400, "ValidationException", "maxResults")
        indexes = sorted(snapshot["blocks"])
        at = 0
        if "pageToken" in query:
            at = next((i for i, index in enumerate(indexes)
                       if self.token(name, f"page/{index}") == query["pageToken"]), None)
            if at is None:
                raise Refused(400, "ValidationException", "pageToken")
        page, rest = indexes[at:at + min(most, self.account.page)], indexes[at + min(most, self.account.page):]
        answer = {"BlockSize": BLOCK, "VolumeSize": snapshot["size"], "ExpiryTime": 1767225600.0,
                  "Blocks": [{"BlockIndex": i, "BlockToken": self.token(name, i)} for i in page]}
        if rest:
            answer["NextToken"] = self.token(name, f"page/{rest[0]}")
        return 200, answer

    def get(self, region, name, index, query):
        blocks = self.sealed(region, name)["blocks"]
        if query.get("blockToken") != self.token(name, index):
            raise Refused(400, "ValidationException", "blockToken")
        return 200, blocks[int(index)]

    def answer(self, region, method, target, headers, body):
        path, _, query = target.partition("?")
        parts, query = path.strip("/").split("/"), dict(urllib.parse.parse_qsl(query))
        action = self.action(method, parts)
        if action == "PutSnapshotBlock":  # which locks for itself, when the block's digest is there
            return self.put(region, parts[1], parts[3], headers, body)
        with self.account.lock:
            return self.alone(region, action, parts, query, headers, body)

    def alone(self, region, action, parts, query, headers, body):
        """What several ask at once is done one after the other: one token makes one snapshot."""
        if action == "ListSnapshotBlocks":
            return self.list_blocks(region, parts[1], query)
        if action == "GetSnapshotBlock":
            return self.get(region, parts[1], parts[3], query)
        if action == "StartSnapshot":
            return self.start(region, body)
        if action == "CompleteSnapshot":
            return self.complete(region, parts[2], headers)
        raise Refused(404, "UnknownOperationException", "/".join(parts))


class Ec2:
    """The query form."""

    def __init__(self, account):
        self.account = account

    @staticmethod
    def matches(form, values, tags):
        values = {**values, "tag-key": list(tags), **{f"tag:{key}": [value] for key, value in tags.items()}}
        n = 1
        while f"Filter.{n}.Name" in form:
            if form[f"Filter.{n}.Value.1"] not in values.get(form[f"Filter.{n}.Name"], []):
                return False
            n += 1
        return True

    def describe_images(self, region, form):
        found = []
        for name, image in self.account.images.items():
            if image["region"] != region or form.get("ImageId.1", name) != name:
                continue
            if not self.matches(form, {"name": [image["name"]], "image-id": [name]}, image["tags"]):
                continue
            if image["wait"] > 0:
                image["wait"] -= 1
            mappings = items(elements(deviceName=device, ebs=elements(snapshotId=snapshot))
                             for device, snapshot in image["mappings"].items())
            found.append(elements(imageId=name, name=escape(image["name"]), bootMode=image["form"]["BootMode"],
                                  enaSupport=image["form"].get("EnaSupport"),
                                  imageState="pending" if image["wait"] else "available",
                                  creationDate="2026-01-01T00:00:00.000Z", blockDeviceMapping=mappings) +
                         tag_xml(image["tags"]))
        if "ImageId.1" in form and not found:
            raise Refused(400, "InvalidAMIID.NotFound", form["ImageId.1"])
        return elements(imagesSet=items(found))

    def describe_snapshots(self, region, form):
        found = []
        for name, snapshot in self.account.snapshots.items():
            if snapshot["region"] != region or form.get("SnapshotId.1", name) != name:
                continue
            if self.matches(form, {"snapshot-id": [name]}, snapshot["tags"]):
                found.append(elements(snapshotId=name, status=snapshot["state"],
                                      statusMessage="as the test wants" if snapshot["state"] == "error" else "",
                                      startTime=f"2026-01-01T00:00:00.{snapshot['serial']:03}Z") +
                             tag_xml(snapshot["tags"]))
        if "SnapshotId.1" in form and not found:
            raise Refused(400, "InvalidSnapshot.NotFound", form["SnapshotId.1"])
        return elements(snapshotSet=items(found))

    def mappings(self, region, form):
        """Device and snapshot of each, in order; refused when they are not volumes that can be made."""
        found, n = {}, 1
        while f"BlockDeviceMapping.{n}.DeviceName" in form:
            prefix = f"BlockDeviceMapping.{n}."
            device, name = form[prefix + "DeviceName"], form.get(prefix + "Ebs.SnapshotId")
            snapshot = self.account.snapshots.get(name)
            if snapshot is None or snapshot["state"] != "completed" or snapshot["region"] != region:
                raise Refused(400, "InvalidSnapshot.NotFound", prefix + "Ebs.SnapshotId")
            if form.get(prefix + "Ebs.VolumeSize") != str(snapshot["size"]):
                raise Refused(400, "InvalidParameterValue", prefix + "VolumeSize")
            if device in found or (n > 1 and not re.fullmatch("/dev/sd[f-p]", device)):
                raise Refused(400, "InvalidBlockDeviceMapping", device)
            if form.get(prefix + "Ebs.DeleteOnTermination") not in ("true", "false"):
                raise Refused(400, "InvalidParameterValue", prefix + "Ebs.DeleteOnTermination")
            found[device] = name
            n += 1
        if sum(key.endswith(".DeviceName") for key in form) != len(found):
            raise Refused(400, "InvalidBlockDeviceMapping", "numbers are left out")
        return found

    def register_image(self, region, form):
        wanted = {"Architecture": "x86_64", "VirtualizationType": "hvm", "RootDeviceName": "/dev/xvda",
                  "ImdsSupport": "v2.0", "BlockDeviceMapping.1.DeviceName": "/dev/xvda",
                  "BlockDeviceMapping.1.Ebs.DeleteOnTermination": "true"}
        for key, value in wanted.items():
            if form.get(key) != value:
                raise Refused(400, "InvalidParameterValue", f"{key} is {form.get(key)}")
        if form.get("BootMode") not in ("legacy-bios", "uefi", "uefi-preferred"):
            raise Refused(400, "InvalidParameterValue", "BootMode")
        return self.add_image(region, form["Name"], self.mappings(region, form), spec_tags(form, "image"), form)

    def add_image(self, region, name, mappings, tags, form, wait=0):
        if any(i["name"] == name and i["region"] == region for i in self.account.images.values()):
            raise Refused(400, "InvalidAMIName.Duplicate", name)
        image = self.account.new_id("ami")
        self.account.images[image] = {"region": region, "name": name, "mappings": mappings, "tags": tags,
                                      "snapshot": mappings["/dev/xvda"], "form": form, "shares": [], "wait": wait}
        return f"<imageId>{image}</imageId>"

    def copy_image(self, region, form):
        token = form.get("ClientToken")
        if token in self.account.tokens:
            return f"<imageId>{self.account.tokens[token]}</imageId>"
        source = self.image(form["SourceRegion"], form["SourceImageId"])
        mappings = {}
        for device, snapshot in source["mappings"].items():
            mappings[device] = self.account.new_id("snap")
            self.account.snapshots[mappings[device]] = dict(self.account.snapshots[snapshot], region=region,
                                                            tags=spec_tags(form, "snapshot"))
        answer = self.add_image(region, form["Name"], mappings, spec_tags(form, "image"),
                                {**source["form"], **form}, self.account.copies_wait)
        self.account.tokens[token] = answer[len("<imageId>"):-len("</imageId>")]
        return answer

    def image(self, region, name):
        found = self.account.images.get(name)
        if found is None or found["region"] != region:
            raise Refused(400, "InvalidAMIID.NotFound", name)
        return found

    def modify_image_attribute(self, region, form):
        self.image(region, form["ImageId"])["shares"].append(form["LaunchPermission.Add.1.UserId"])
        return "<return>true</return>"

    def deregister_image(self, region, form):
        self.image(region, form["ImageId"])
        del self.account.images[form["ImageId"]]
        return "<return>true</return>"

    def run_instances(self, region, form):
        image, kind = self.image(region, form["ImageId"]), form["InstanceType"]
        if image["form"].get("EnaSupport") != "true" and kind.startswith("t3."):
            raise Refused(400, "InvalidParameterCombination",
                          f"Enhanced networking with the Elastic Network Adapter (ENA) is required for the '{kind}' "
                          "instance type. Ensure that you are using an AMI that is enabled for ENA.")
        for key, value in (("MinCount", "1"), ("MaxCount", "1"), ("MetadataOptions.HttpTokens", "required")):
            if form.get(key) != value:
                raise Refused(400, "InvalidParameterValue", f"{key} is {form.get(key)}")
        token = form.get("ClientToken")
        if token not in self.account.tokens:
            self.account.tokens[token] = self.account.new_id("i")
            self.account.instances[self.account.tokens[token]] = {"region": region, "form": form, "state": "running",
                                                                  "tags": spec_tags(form, "instance")}
        return f"<instancesSet><item><instanceId>{self.account.tokens[token]}</instanceId></item></instancesSet>"

    def instance(self, region, name):
        found = self.account.instances.get(name)
        if found is None or found["region"] != region:
            raise Refused(400, "InvalidInstanceID.NotFound", name)
        return found

    def describe_instances(self, region, form):
        if "InstanceId.1" in form:
            self.instance(region, form["InstanceId.1"])
        found = []
        for name, instance in self.account.instances.items():
            if instance["region"] == region and form.get("InstanceId.1", name) == name and \
                    self.matches(form, {}, instance["tags"]):
                machine = elements(instanceId=name, imageId=instance["form"]["ImageId"],
                                   instanceState=elements(name=instance["state"]),
                                   instanceType=instance["form"]["InstanceType"], ipAddress="192.0.2.7")
                found.append(elements(instancesSet=items([machine + tag_xml(instance["tags"])])))
        return elements(reservationSet=items(found))

    def get_console_output(self, region, form):
        self.instance(region, form["InstanceId"])
        return "<output>" + base64.encodebytes(b"hello from the machine\n" * 9).decode() + "</output>"

    def terminate_instances(self, region, form):
        self.instance(region, form["InstanceId.1"])["state"] = "terminated"
        return "<instancesSet/>"

    def delete_snapshot(self, _region, form):
        name = form["SnapshotId"]
        if name not in self.account.snapshots:
            raise Refused(400, "InvalidSnapshot.NotFound", name)
        if any(name in image["mappings"].values() for image in self.account.images.values()):
            raise Refused(400, "InvalidSnapshot.InUse", name)
        del self.account.snapshots[name]
        return "<return>true</return>"

    def answer(self, region, action, form):
        calls = {"DescribeImages": self.describe_images, "DescribeSnapshots": self.describe_snapshots,
                 "RegisterImage": self.register_image, "CopyImage": self.copy_image,
                 "ModifyImageAttribute": self.modify_image_attribute, "DeregisterImage": self.deregister_image,
                 "DeleteSnapshot": self.delete_snapshot, "RunInstances": self.run_instances,
                 "DescribeInstances": self.describe_instances, "GetConsoleOutput": self.get_console_output,
                 "TerminateInstances": self.terminate_instances}
        if form.get("Version") != "2016-11-15" or action not in calls:
            raise Refused(400, "InvalidAction", action)
        return calls[action](region, form)


def assume_role(account, action, form):
    """Keys of their own for a role; what they may do is what the role's name says."""
    account.serial += 1
    key = f"ASIA{account.serial:012d}"
    account.keys[key] = {"secret": f"secret-{account.serial}", "token": f"token-{account.serial}", "allowed": None}
    expires = datetime.datetime.fromtimestamp(account.clock() + 3600, datetime.timezone.utc)
    return (f"<{action}Result><Credentials><AccessKeyId>{key}</AccessKeyId>"
            f"<SecretAccessKey>secret-{account.serial}</SecretAccessKey>"
            f"<SessionToken>token-{account.serial}</SessionToken>"
            f"<Expiration>{expires.strftime('%Y-%m-%dT%H:%M:%SZ')}</Expiration></Credentials></{action}Result>")


class Request:
    """A request as it came, whatever server took it."""

    def __init__(self, account, method, target, headers, body):
        self.account, self.method, self.target, self.headers, self.body = account, method, target, headers, body
        self.arrived = account.clock()
        parts = target.partition("?")[0].strip("/").split("/")
        self.form = {}
        if parts[0] == "snapshots":
            self.service, self.action = "ebs", Ebs.action(method, parts)
        else:
            self.form = {k: v[0] for k, v in urllib.parse.parse_qs(body.decode(), keep_blank_values=True).items()}
            self.action = self.form.get("Action")
            self.service = "sts" if self.action in ("AssumeRole", "AssumeRoleWithWebIdentity") else "ec2"

    def refusal(self, refused):
        if self.service == "ebs":
            return refused.status, json.dumps({"Message": refused.message}).encode(), {
                "Content-Type": "application/json", "x-amzn-ErrorType": refused.code, **refused.headers}
        body = (f"<Response><Errors><Error><Code>{refused.code}</Code><Message>{escape(refused.message)}"
                "</Message></Error></Errors></Response>").encode()
        return refused.status, body, {"Content-Type": "text/xml", **refused.headers}

    def perform(self):
        if self.action == "AssumeRoleWithWebIdentity":
            user, region = {"allowed": None}, "us-east-1"
        else:
            user, region = authenticate(self.account, self)
        with self.account.lock:
            self.account.calls.append({"action": self.action, "region": region, "form": self.form,
                                       "headers": self.headers, "size": len(self.body), "arrived": self.arrived,
                                       "method": self.method, "target": self.target,
                                       "json": json.loads(self.body) if self.action == "StartSnapshot" else {},
                                       "map": self.account.is_map(self.action, self.target, self.body)})
        allow(user, self.service, self.action)
        if any(name.startswith("TagSpecification.") for name in self.form):
            allow(user, "ec2", "CreateTags")
        if self.service == "ebs":
            status, answer = Ebs(self.account).answer(region, self.method, self.target, self.headers, self.body)
            if not isinstance(answer, bytes):
                return status, json.dumps(answer).encode(), {"Content-Type": "application/json"}
            return status, self.account.damage(answer), {
                "Content-Type": "application/octet-stream", "x-amz-Data-Length": str(BLOCK),
                "x-amz-Checksum-Algorithm": "SHA256",
                "x-amz-Checksum": base64.b64encode(hashlib.sha256(answer).digest()).decode()}
        with self.account.lock:
            inner = assume_role(self.account, self.action, self.form) if self.service == "sts" else \
                Ec2(self.account).answer(region, self.action, self.form)
        answer = f"<?xml version='1.0'?><{self.action}Response>{inner}</{self.action}Response>"
        return 200, answer.encode(), {"Content-Type": "text/xml"}

    def answer(self, fault=None):
        """Status, body and headers."""
        try:
            if fault is not None and isinstance(fault.kind, int):
                raise Refused(fault.kind, fault.code, "as the test wants", fault.headers)
            return self.perform()
        except Refused as refused:
            return self.refusal(refused)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # headers and body go in two pieces, the second without a wait for the first
    account = None

    def log_message(self, *args):
        pass

    def date_time_string(self, timestamp=None):
        return super().date_time_string(self.account.clock())

    def fault(self, action):
        with self.account.lock:
            for fault in self.account.faults:
                if fault.action != action or fault.times <= 0:
                    continue
                if fault.after > 0:
                    fault.after -= 1
                    continue
                fault.times -= 1
                return fault
        return None

    def cut(self):
        self.close_connection = True
        with contextlib.suppress(OSError):  # the caller may have been first
            self.connection.shutdown(socket.SHUT_RDWR)

    def gone(self, seconds):
        """Whether the caller went away within that time."""
        return bool(select.select([self.connection], [], [], seconds)[0]) and self.connection.recv(1, socket.MSG_PEEK) == b""

    def serve(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.account, self.command, self.path, headers, body)
        fault = self.fault(request.action)
        if fault is not None and fault.kind == "stall" and self.gone(fault.seconds):
            return self.cut()
        if fault is not None and fault.kind != "stall":
            time.sleep(fault.seconds)
        if fault is not None and fault.kind == "cut":
            return self.cut()
        status, answer, headers = request.answer(fault)
        if fault is not None and fault.kind == "lost":
            return self.cut()  # it was done, and nobody hears of it
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(answer))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer)
        return None

    do_GET = do_PUT = do_POST = do_DELETE = serve


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 512

    def __init__(self, *args):
        self.open = set()
        super().__init__(*args)

    def process_request(self, request, client_address):
        self.open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request):
        self.open.discard(request)
        super().shutdown_request(request)

    def vanish(self):
        """As if the network were gone: nobody listens, and what is under way is cut. What is returned keeps the port."""
        self.shutdown()
        self.server_close()
        kept = socket.socket()
        kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        kept.bind(self.server_address)
        for request in list(self.open):
            with contextlib.suppress(OSError):  # those that ended meanwhile
                request.shutdown(socket.SHUT_RDWR)
        return kept

    def handle_error(self, request, client_address):
        pass


def start(account, port=0):
    """Serves the account on loopback; the server, whose address is `url`."""
    handler = type("Handler", (Handler,), {"account": account})
    server = Server(("127.0.0.1", port), handler)
    server.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server

<?php
// Counts what one visitor has seen, in a session, which is a file on the volume; adds up what is posted.
session_start();
$_SESSION['visits'] = ($_SESSION['visits'] ?? 0) + 1;
header('Content-Type: application/json');
echo json_encode(['visits' => $_SESSION['visits'], 'sum' => array_sum($_POST), 'server' => $_SERVER['SERVER_NAME'] ?? '']), "\n";

create database pseudonyms;
